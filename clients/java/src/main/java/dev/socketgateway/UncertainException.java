package dev.socketgateway;

/** The stream to the gateway broke before the answer came: whether the send was written is not known. {@link Session#writeOffset()} tells how
 * much the gateway has written. */
public final class UncertainException extends GatewayException {
    private static final long serialVersionUID = 1L;

    UncertainException(Failure failure) {
        super(failure);
    }
}
