package dev.socketgateway;

import dev.socketgateway.tcpip.v1.ErrorReason;

/** The gateway's word for what went wrong; the names are those of the proto file {@code error_reason.proto}, which says when each comes. */
public enum Reason {
    /** The gateway said none: it was not reached, or is newer than this client. */
    UNSPECIFIED,
    /** An argument of a connect makes no sense. */
    CONNECT_INVALID,
    /** The forced session id is in use. */
    SESSION_ID_CONFLICT,
    /** The peer refused, is unreachable, did not answer in time, or its name was not found. */
    CONNECT_FAILED,
    /** An argument of a listen or of a UDP bind makes no sense. */
    LISTEN_INVALID,
    /** The operating system refused the listener's address. */
    SERVER_ERROR,
    /** No session has this id; it never existed or has ended. */
    SESSION_NOT_FOUND,
    /** No listener has this id. */
    LISTENER_NOT_FOUND,
    /** The session is still connecting, already closing, or a UDP socket. */
    SESSION_NOT_CONNECTED,
    /** The connection died under a send; the metadata says how many items went out whole. */
    SOCKET_NOT_CONNECTED,
    /** Nothing to send, or too much of it. */
    PAYLOAD_INVALID,
    /** The pattern does not compile, or the session is not in line mode. */
    WAIT_FOR_INVALID,
    /** The destination of a datagram makes no sense. */
    SEND_INVALID,
    /** The datagram could not be sent. */
    UDP_SEND_FAILED,
    /** A UDP socket could not be bound, a group not joined, or the socket failed later. */
    UDP_ERROR,
    /** An exchange had no answer in time, or a session was inactive for its timeout. */
    TIMEOUT,
    /** The socket of a session failed, for example because the peer reset it. */
    TRANSPORT_ERROR,
    /** A line is longer than the gateway allows; the session ends. */
    FRAME_TOO_LONG,
    /** A limit of the gateway was reached; the metadata names it. */
    LIMIT_REACHED,
    /** The gateway's policy forbids it; the metadata names the rule. */
    POLICY_DENIED,
    /** The session's write offset is not the one the send expected; nothing was written. */
    WRITE_OFFSET_MISMATCH,
    /** A field of some other request is out of its bounds. */
    REQUEST_INVALID,
    /** The gateway was restarted, and its sessions are gone. */
    INSTANCE_CHANGED,
    /** This client was away for so long that the gateway has forgotten it. */
    EPOCH_CHANGED,
    /** The stream took nothing for too long. */
    STREAM_STALLED,
    /** The gateway is going down. */
    SHUTTING_DOWN,
    /** The session ended before there was an answer, or otherwise than in order. */
    SESSION_ENDED,
    /** A bug of the gateway; please report it. */
    INTERNAL,
    /** The gateway asks who calls, and these are no credentials that it accepts. */
    UNAUTHENTICATED,
    /** The caller's role does not allow this call. */
    ROLE_DENIED;

    static Reason of(String name) {
        for (Reason reason : values()) {
            if (reason.name().equals(name)) {
                return reason;
            }
        }
        return UNSPECIFIED;
    }

    /** The same in the generated stubs; their list and this one are compared by a test. */
    static String nameOf(ErrorReason reason) {
        return reason.name().substring("ERROR_REASON_".length());
    }
}
