package dev.socketgateway;

/** A limit of the gateway was reached. */
public final class LimitReachedException extends GatewayException {
    private static final long serialVersionUID = 1L;

    LimitReachedException(Failure failure) {
        super(failure);
    }

    /** {@return the limit's name} */
    public String limit() {
        return metadata().getOrDefault("limit", "");
    }
}
