package dev.socketgateway;

/** The peer refused, is unreachable, did not answer in time, or its name was not found. */
public final class ConnectFailedException extends GatewayException {
    private static final long serialVersionUID = 1L;

    ConnectFailedException(Failure failure) {
        super(failure);
    }

    /** {@return the operating system's name for it, for example "ECONNREFUSED"; empty where it has none, as for a timeout} */
    public String errno() {
        return metadata().getOrDefault("errno", "");
    }
}
