package dev.socketgateway;

/** The gateway was restarted, or has forgotten this client: what was open is gone, and so is what was not delivered. */
public final class GatewayRestartedException extends GatewayException {
    private static final long serialVersionUID = 1L;

    GatewayRestartedException(Failure failure) {
        super(failure);
    }
}
