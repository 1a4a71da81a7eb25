package dev.socketgateway;

import dev.socketgateway.tcpip.v1.TcpExchangeResponse;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The answer of an exchange.
 *
 * @param end what completed it
 * @param frames what came, oldest first; with a pattern what came before the match
 * @param match the line, or the unfinished rest of one, that matched; null without
 * @param captures the pattern's capture groups
 */
public record Answer(End end, List<Line> frames, Line match, List<Capture> captures) {
    /** What completes an exchange. */
    public enum End {
        /** A reason that this client does not know. */
        UNSPECIFIED,
        /** The pattern matched. */
        MATCH,
        /** Without a pattern: one frame came. */
        FRAME,
        /** The peer ended the connection. */
        PEER_CLOSED
    }

    static Answer of(TcpExchangeResponse answer) {
        String end = answer.getEnd().name();
        return new Answer(
                end.startsWith("EXCHANGE_END_") ? End.valueOf(end.substring("EXCHANGE_END_".length())) : End.UNSPECIFIED,
                answer.getFramesList().stream().map(Line::of).toList(),
                answer.hasMatch() ? Line.of(answer.getMatch()) : null,
                answer.getCapturesList().stream().map(Capture::of).toList());
    }

    /** {@return everything that came, a line each} */
    public String text() {
        return Stream.concat(frames.stream(), Stream.ofNullable(match)).map(Line::text).collect(Collectors.joining("\n"));
    }
}
