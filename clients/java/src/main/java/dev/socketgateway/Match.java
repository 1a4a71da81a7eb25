package dev.socketgateway;

import dev.socketgateway.tcpip.v1.LineMatch;
import dev.socketgateway.tcpip.v1.LinesFlushed;
import java.util.List;

/**
 * What a session with {@code waitFor} delivers.
 *
 * @param lines the lines before the match, oldest first
 * @param match the line, or the unfinished rest of one, that matched; null where the lines were handed over without a match, because the claim
 *     moved, a limit was reached or the session ended
 * @param captures the pattern's capture groups
 * @param lastUnfinished without a match: whether the last line has no line end
 */
public record Match(List<Line> lines, Line match, List<Capture> captures, boolean lastUnfinished) implements Data {
    static Match of(LineMatch match) {
        return new Match(
                match.getLinesList().stream().map(Line::of).toList(),
                Line.of(match.getMatch()),
                match.getCapturesList().stream().map(Capture::of).toList(),
                false);
    }

    static Match of(LinesFlushed flushed) {
        return new Match(flushed.getLinesList().stream().map(Line::of).toList(), null, List.of(), flushed.getLastUnfinished());
    }
}
