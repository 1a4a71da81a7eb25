package dev.socketgateway;

/** Inbound data of a session: a {@link Chunk}, a {@link TextLine}, a {@link Match} or a {@link Datagram}. */
public sealed interface Data permits Data.Chunk, Data.TextLine, Match, Datagram {
    /**
     * What one read brought in binary mode; in line mode a line that is not UTF-8.
     *
     * @param bytes the bytes
     */
    record Chunk(byte[] bytes) implements Data {}

    /**
     * A line in line mode.
     *
     * @param line the line
     */
    record TextLine(Line line) implements Data {}
}
