package dev.socketgateway;

import java.util.ArrayDeque;

/**
 * Sessions that a listener accepted, until the application takes them. Their {@code connected} is not acked before: when too many wait, the
 * gateway stops accepting.
 */
final class Accepting {
    private final ArrayDeque<Inbox> waiting = new ArrayDeque<>();
    private boolean closed;
    private GatewayException lost;

    synchronized void push(Inbox inbox) {
        waiting.add(inbox);
        notifyAll();
    }

    /** Whether it was open until now. */
    synchronized boolean close() {
        boolean open = !closed && lost == null;
        closed = true;
        notifyAll();
        return open;
    }

    synchronized void lose(GatewayException why) {
        lost = why;
        notifyAll();
    }

    /** Waits for a session; null when the listener was closed. */
    synchronized Inbox next(Deadline deadline) throws InterruptedException {
        while (waiting.isEmpty()) {
            if (closed) {
                return null;
            }
            if (lost != null) {
                throw lost.again();
            }
            deadline.await(this);
        }
        return waiting.remove();
    }
}
