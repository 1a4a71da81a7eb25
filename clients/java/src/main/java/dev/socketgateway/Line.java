package dev.socketgateway;

import com.google.protobuf.ByteString;
import java.nio.charset.StandardCharsets;

/** One line without its line end. Not every line of the world is UTF-8: the bytes are those that came. */
public final class Line {
    private final ByteString bytes;

    Line(ByteString bytes) {
        this.bytes = bytes;
    }

    static Line of(dev.socketgateway.tcpip.v1.Line line) {
        return new Line(line.hasBytes() ? line.getBytes() : line.getTextBytes());
    }

    /** {@return the line as it came} */
    public byte[] bytes() {
        return bytes.toByteArray();
    }

    /** {@return the line as text, with U+FFFD for what is not UTF-8} */
    public String text() {
        return new String(bytes.toByteArray(), StandardCharsets.UTF_8);
    }

    @Override
    public String toString() {
        return text();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Line line && line.bytes.equals(bytes);
    }

    @Override
    public int hashCode() {
        return bytes.hashCode();
    }
}
