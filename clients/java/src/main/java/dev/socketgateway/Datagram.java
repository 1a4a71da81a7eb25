package dev.socketgateway;

import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/**
 * One UDP datagram.
 *
 * @param from its sender
 * @param payload its payload, which may be empty
 * @param isText whether the socket is in UTF-8 mode and this is valid UTF-8
 * @param droppedBefore how many datagrams were dropped just before this one
 */
public record Datagram(InetSocketAddress from, byte[] payload, boolean isText, long droppedBefore) implements Data {
    /** {@return the payload as text, with U+FFFD for what is not UTF-8} */
    public String text() {
        return new String(payload, StandardCharsets.UTF_8);
    }
}
