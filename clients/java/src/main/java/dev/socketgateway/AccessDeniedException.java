package dev.socketgateway;

/** The gateway does not know the caller, or does not let him do this. */
public final class AccessDeniedException extends GatewayException {
    private static final long serialVersionUID = 1L;

    AccessDeniedException(Failure failure) {
        super(failure);
    }
}
