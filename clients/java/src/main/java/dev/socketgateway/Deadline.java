package dev.socketgateway;

import io.grpc.Status;
import java.time.Duration;

/** The moment at which a wait gives up. */
final class Deadline {
    /** Waits for ever. */
    static final Deadline NEVER = new Deadline(null);

    private final Duration patience;
    private final long at;

    private Deadline(Duration patience) {
        this.patience = patience;
        this.at = patience == null ? 0 : System.nanoTime() + nanos(patience);
    }

    private static long nanos(Duration time) {
        try {
            return Math.min(time.toNanos(), Long.MAX_VALUE / 2);
        } catch (ArithmeticException centuries) {
            return Long.MAX_VALUE / 2;
        }
    }

    /** In so much time from now on. */
    static Deadline in(Duration patience) {
        return new Deadline(patience);
    }

    /**
     * Waits on a monitor, which is held.
     *
     * @throws TimedOutException where the moment has come
     */
    void await(Object monitor) throws InterruptedException {
        if (patience == null) {
            monitor.wait();
            return;
        }
        long left = at - System.nanoTime();
        if (left <= 0) {
            throw new TimedOutException(new GatewayException.Failure(
                    Status.Code.DEADLINE_EXCEEDED, Reason.TIMEOUT, "nothing came within " + patience.toMillis() + " ms"));
        }
        // Not a moment too early: a wait of 0 ms would be one for ever.
        monitor.wait(left / 1_000_000 + 1);
    }
}
