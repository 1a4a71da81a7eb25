package dev.socketgateway;

/** No session has this id; it never existed or has ended. */
public final class SessionNotFoundException extends GatewayException {
    private static final long serialVersionUID = 1L;

    SessionNotFoundException(Failure failure) {
        super(failure);
    }
}
