package dev.socketgateway;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import dev.socketgateway.tcpip.v1.CommandError;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What went wrong, as the gateway says it. Some reasons have a class of their own, so that they can be caught by it; all of them can be told
 * by {@link #reason()}.
 */
public class GatewayException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient Failure failure;

    /** All that is known of a failure. */
    record Failure(
            Status.Code code, Reason reason, String message, Map<String, String> metadata, List<Violation> violations, Throwable cause) {
        Failure(Status.Code code, Reason reason, String message) {
            this(code, reason, message, Map.of(), List.of(), null);
        }
    }

    GatewayException(Failure failure) {
        super(text(failure), failure.cause());
        this.failure = failure;
    }

    private static String text(Failure failure) {
        StringBuilder line = new StringBuilder(failure.message());
        for (Violation violation : failure.violations()) {
            String said = violation.field() + ": " + violation.description();
            // One bad argument is the sentence already.
            if (line.indexOf(said) < 0) {
                line.append("; ").append(said);
            }
        }
        String word = failure.reason() == Reason.UNSPECIFIED ? failure.code().name() : failure.reason().name();
        return line.append(" (").append(word).append(')').toString();
    }

    /** The sentence without the word for it. */
    final String sentence() {
        return failure.message();
    }

    /** {@return the gRPC status code} */
    public Status.Code code() {
        return failure.code();
    }

    /** {@return the gateway's word for it} */
    public Reason reason() {
        return failure.reason();
    }

    /** {@return the ids, addresses and limits concerned, and "errno" where an operating system refused} */
    public Map<String, String> metadata() {
        return failure.metadata();
    }

    /** {@return the bad arguments} */
    public List<Violation> violations() {
        return failure.violations();
    }

    /** The same once more, for another thread that meets it: each gets a stack of its own. */
    GatewayException again() {
        Failure told = failure;
        return of(new Failure(told.code(), told.reason(), told.message(), told.metadata(), told.violations(), this));
    }

    static GatewayException of(Failure failure) {
        return switch (failure.reason()) {
            case CONNECT_FAILED -> new ConnectFailedException(failure);
            case SESSION_NOT_FOUND -> new SessionNotFoundException(failure);
            case TIMEOUT -> new TimedOutException(failure);
            case INSTANCE_CHANGED, EPOCH_CHANGED -> new GatewayRestartedException(failure);
            case POLICY_DENIED, ROLE_DENIED, UNAUTHENTICATED -> new AccessDeniedException(failure);
            case LIMIT_REACHED -> new LimitReachedException(failure);
            default -> {
                if (failure.code() == Status.Code.UNAVAILABLE && failure.reason() == Reason.UNSPECIFIED) {
                    yield new GatewayUnreachableException(failure);
                }
                if (failure.code() == Status.Code.UNAUTHENTICATED) {
                    yield new AccessDeniedException(failure);
                }
                yield new GatewayException(failure);
            }
        };
    }

    /**
     * Makes the exception of a failed call of the generated stubs what this package's own calls throw.
     *
     * @param failed what the stub has thrown
     * @return the same with its reason, metadata and violations
     */
    public static GatewayException from(Throwable failed) {
        if (failed instanceof GatewayException already) {
            return already;
        }
        Status status = Status.fromThrowable(failed);
        Reason reason = Reason.UNSPECIFIED;
        Map<String, String> metadata = Map.of();
        List<Violation> violations = new ArrayList<>();
        com.google.rpc.Status details = StatusProto.fromThrowable(failed);
        for (Any detail : details == null ? List.<Any>of() : details.getDetailsList()) {
            try {
                if (detail.is(ErrorInfo.class)) {
                    ErrorInfo info = detail.unpack(ErrorInfo.class);
                    reason = Reason.of(info.getReason());
                    metadata = Map.copyOf(info.getMetadataMap());
                } else if (detail.is(BadRequest.class)) {
                    detail.unpack(BadRequest.class).getFieldViolationsList()
                            .forEach(bad -> violations.add(new Violation(bad.getField(), bad.getDescription())));
                }
            } catch (InvalidProtocolBufferException unreadable) {
                failed.addSuppressed(unreadable);
            }
        }
        return of(new Failure(status.getCode(), reason, message(status), metadata, List.copyOf(violations), failed));
    }

    private static String message(Status status) {
        // Netty's inner parts are nobody's concern.
        String said = status.getDescription() == null ? "no answer" : status.getDescription().replaceAll("\\s*Channel Pipeline: \\[.*]", "");
        StringBuilder text = new StringBuilder(said);
        for (Throwable cause = status.getCause(); cause != null; cause = cause.getCause()) {
            if (cause.getMessage() != null && text.indexOf(cause.getMessage()) < 0) {
                text.append(": ").append(cause.getMessage());
            }
        }
        return text.toString();
    }

    static GatewayException from(CommandError error) {
        List<Violation> violations = error.getFieldViolationsList().stream()
                .map(bad -> new Violation(bad.getField(), bad.getDescription()))
                .toList();
        return of(new Failure(
                Status.fromCodeValue(error.getGrpcCode()).getCode(),
                Reason.of(error.getErrorCode()),
                error.getErrorText(),
                Map.copyOf(error.getMetadataMap()),
                violations,
                null));
    }

    static GatewayException closed() {
        return new GatewayException(new Failure(Status.Code.CANCELLED, Reason.UNSPECIFIED, "this was closed here and is used afterwards"));
    }
}
