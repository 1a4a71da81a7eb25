package dev.socketgateway;

import io.grpc.Status;
import java.util.List;
import java.util.Map;

/** The session has ended, and not in order: what a reader meets there, and who sends on an ended session. */
public final class SessionEndedException extends GatewayException {
    private static final long serialVersionUID = 1L;

    private final transient Closed end;

    SessionEndedException(Closed end) {
        super(failureOf(end));
        this.end = end;
    }

    private static Failure failureOf(Closed end) {
        String text = "the session has ended: " + end;
        GatewayException cause = end.failure();
        if (cause == null) {
            return new Failure(Status.Code.ABORTED, Reason.SESSION_ENDED, text, Map.of("closeReason", end.reason().name()), List.of(), null);
        }
        return new Failure(cause.code(), cause.reason(), text, cause.metadata(), cause.violations(), cause);
    }

    /** {@return how it ended} */
    public Closed end() {
        return end;
    }
}
