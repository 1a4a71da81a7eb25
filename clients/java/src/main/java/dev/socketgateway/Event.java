package dev.socketgateway;

import java.time.Instant;

/**
 * What happened to a session, beside its data.
 *
 * @param kind what happened
 * @param time when the gateway saw it
 * @param error with {@link Kind#ERROR} and {@link Kind#TIMEOUT}: what was wrong; else null
 */
public record Event(Kind kind, Instant time, GatewayException error) {
    /** The kinds of events. */
    public enum Kind {
        /** The connection is being made. */
        CONNECTING,
        /** The connection is open. */
        CONNECTED,
        /** A UDP socket is bound. */
        LISTENING,
        /** A send was taken by the operating system. */
        SENT,
        /** The peer ended its direction; the session can still send. */
        HALF_CLOSED,
        /** The session was inactive for its timeout. */
        TIMEOUT,
        /** A close was asked for. */
        DISCONNECTING,
        /** Something failed. */
        ERROR,
        /** The session has ended: the last event. */
        DISCONNECTED
    }
}
