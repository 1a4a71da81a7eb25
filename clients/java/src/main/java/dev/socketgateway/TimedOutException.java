package dev.socketgateway;

/** An exchange had no answer in time. */
public final class TimedOutException extends GatewayException {
    private static final long serialVersionUID = 1L;

    TimedOutException(Failure failure) {
        super(failure);
    }
}
