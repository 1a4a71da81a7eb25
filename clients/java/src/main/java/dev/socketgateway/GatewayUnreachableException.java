package dev.socketgateway;

/** The gateway cannot be reached. */
public final class GatewayUnreachableException extends GatewayException {
    private static final long serialVersionUID = 1L;

    GatewayUnreachableException(Failure failure) {
        super(failure);
    }

    /** The same, saying where. */
    GatewayUnreachableException at(String target) {
        return new GatewayUnreachableException(
                new Failure(code(), reason(), "no socket gateway is reached at " + target + ": " + sentence(), metadata(), violations(), this));
    }
}
