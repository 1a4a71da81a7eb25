package dev.socketgateway;

/**
 * One capture group of a match.
 *
 * @param name its name; empty where it has none
 * @param value what it matched; null where it took no part
 */
public record Capture(String name, Line value) {
    static Capture of(dev.socketgateway.tcpip.v1.Capture capture) {
        return new Capture(capture.getName(), capture.getParticipated() ? Line.of(capture.getValue()) : null);
    }
}
