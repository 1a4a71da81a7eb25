package dev.socketgateway;

import dev.socketgateway.tcpip.v1.LineTerminator;

/** What is appended to every text that is sent. */
public enum Terminator {
    /** Nothing. */
    NONE(LineTerminator.LINE_TERMINATOR_NONE, 0),
    /** A line feed. */
    LF(LineTerminator.LINE_TERMINATOR_LF, 1),
    /** Carriage return and line feed. */
    CRLF(LineTerminator.LINE_TERMINATOR_CRLF, 2),
    /** A carriage return. */
    CR(LineTerminator.LINE_TERMINATOR_CR, 1);

    final LineTerminator proto;
    final int length;

    Terminator(LineTerminator proto, int length) {
        this.proto = proto;
        this.length = length;
    }
}
