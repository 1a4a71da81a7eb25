package dev.socketgateway;

/**
 * How a session ended.
 *
 * @param reason why
 * @param received bytes read from the peer
 * @param sent bytes taken by the gateway's operating system
 * @param failure the error that made it end; null where there was none
 */
public record Closed(CloseReason reason, long received, long sent, GatewayException failure) {
    /** {@return whether the peer, or somebody on this side, ended it in order} */
    public boolean isOrderly() {
        return reason == CloseReason.PEER_CLOSED || reason == CloseReason.BY_REQUEST;
    }

    @Override
    public String toString() {
        return failure == null ? reason.name() : reason + ", " + failure.getMessage();
    }
}
