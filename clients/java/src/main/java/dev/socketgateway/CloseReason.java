package dev.socketgateway;

/** Why a session ended. */
public enum CloseReason {
    /** A reason that this client does not know. */
    UNSPECIFIED,
    /** The peer ended the connection. */
    PEER_CLOSED,
    /** The peer reset the connection. */
    PEER_RESET,
    /** Somebody asked for it. */
    BY_REQUEST,
    /** It was inactive for its timeout. */
    TIMEOUT,
    /** It was aborted. */
    ABORT,
    /** Nobody was attached to it. */
    ORPHANED,
    /** The gateway shut down. */
    SHUTDOWN,
    /** Its place was taken by another. */
    REPLACED,
    /** It failed. */
    ERROR;

    static CloseReason of(dev.socketgateway.tcpip.v1.CloseReason reason) {
        return reason == dev.socketgateway.tcpip.v1.CloseReason.UNRECOGNIZED
                ? UNSPECIFIED
                : valueOf(reason.name().substring("CLOSE_REASON_".length()));
    }
}
