package dev.socketgateway;

import dev.socketgateway.tcpip.v1.Ack;
import dev.socketgateway.tcpip.v1.Envelope;
import dev.socketgateway.tcpip.v1.SessionAck;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Which envelope goes to whom, and what of them is to be acked.
 *
 * <p>Guarded by the monitor of the {@link Link}. An inbox has a monitor of its own, which may be taken while that one is held, never the other
 * way.
 */
final class Routes {
    private final Object monitor;
    private final Map<String, Inbox> sessions = new HashMap<>();
    /** Sessions that are being opened here, until their first envelope; of one id in the order of their calls. */
    private final Map<String, Deque<Inbox>> opening = new HashMap<>();
    private final Map<String, Accepting> listeners = new HashMap<>();
    /** Up to where to ack, for each session or listener. */
    private final Map<String, Long> acks = new HashMap<>();
    private long received;
    private boolean closed;

    Routes(Object monitor) {
        this.monitor = monitor;
    }

    // For the link, which holds its monitor.

    /** A stream begins that does not go on with the one before: its sequence starts anew. */
    void restart() {
        received = 0;
    }

    void deliver(Envelope envelope) {
        String id = envelope.getSessionId();
        String lane = id.isEmpty() ? envelope.getListenerId() : id;
        long sequence = envelope.getSequence();
        if (sequence <= received) {
            Inbox known = sessions.get(id);
            ack(lane, known == null ? sequence : known.repeated(sequence));
            return;
        }
        received = sequence;
        if (id.isEmpty()) {
            if (envelope.getEvent() == dev.socketgateway.tcpip.v1.Event.EVENT_CLOSED) {
                Accepting listener = listeners.remove(lane);
                if (listener != null) {
                    listener.close();
                }
            }
            ack(lane, sequence);
            return;
        }
        Inbox before = sessions.get(id);
        Inbox inbox = inboxFor(envelope);
        if (inbox == null) {
            ack(lane, sequence);
            return;
        }
        long due = inbox.deliver(envelope);
        if (inbox != before && !inbox.isAccepted() && begins(envelope) && !envelope.getListenerId().isEmpty()) {
            // Not before it knows its peer: somebody may be waiting for it.
            listener(envelope.getListenerId()).push(inbox);
        }
        if (isLast(envelope)) {
            // Whoever holds it has the rest of its data. Its id is free.
            sessions.remove(id);
            if (!inbox.isAccepted() && envelope.getListenerId().isEmpty()) {
                due = sequence;
            }
        }
        ack(id, due);
    }

    private Inbox nextOpening(String id) {
        Deque<Inbox> waiting = opening.get(id);
        Inbox first = waiting == null ? null : waiting.peek();
        forgetOpening(first);
        return first;
    }

    private void forgetOpening(Inbox inbox) {
        if (inbox != null) {
            opening.computeIfPresent(inbox.id, (id, waiting) -> {
                waiting.remove(inbox);
                return waiting.isEmpty() ? null : waiting;
            });
        }
    }

    private static boolean begins(Envelope envelope) {
        return switch (envelope.getEvent()) {
            case EVENT_CONNECTING, EVENT_CONNECTED, EVENT_LISTENING -> true;
            default -> false;
        };
    }

    /** Whether an envelope is the last of its session. */
    static boolean isLast(Envelope envelope) {
        return envelope.getEvent() == dev.socketgateway.tcpip.v1.Event.EVENT_DISCONNECTED;
    }

    /** The inbox of a session; null where nobody can want what is said of it. */
    private Inbox inboxFor(Envelope envelope) {
        String id = envelope.getSessionId();
        boolean begins = begins(envelope);
        Inbox known = sessions.get(id);
        if (known != null && !(begins && known.isOver())) {
            return known;
        }
        Inbox opened = begins ? nextOpening(id) : null;
        if (opened == null && !begins && !envelope.hasData()) {
            return null;
        }
        // One that is not being opened here was accepted, or opened by somebody else for this subscriber.
        Inbox inbox = opened == null ? new Inbox(id, false, false) : opened;
        sessions.put(id, inbox);
        return inbox;
    }

    /** What is to be acked, once; null: nothing. Acks that are lost with a stream are repeated when their envelopes come again. */
    Ack takeAcks() {
        if (acks.isEmpty()) {
            return null;
        }
        Ack.Builder ack = Ack.newBuilder();
        acks.forEach((lane, sequence) -> ack.addSessions(SessionAck.newBuilder().setSessionId(lane).setSequence(sequence)));
        acks.clear();
        return ack.build();
    }

    /** All sessions and listeners are gone. */
    void loseAll(GatewayException why) {
        sessions.values().forEach(inbox -> inbox.lose(why));
        listeners.values().forEach(listener -> listener.lose(why));
        sessions.clear();
        listeners.clear();
        acks.clear();
    }

    /** Nothing works any more. */
    void close(GatewayException why) {
        closed = true;
        opening.values().forEach(waiting -> waiting.forEach(inbox -> inbox.lose(why)));
        opening.clear();
        loseAll(why);
    }

    // For the rest of the client.

    /** Announces a session that will be opened: its first envelopes may overtake the answer of the call. */
    Inbox announce(String id) {
        synchronized (monitor) {
            Inbox inbox = new Inbox(id, true, true);
            opening.computeIfAbsent(id, unknown -> new ArrayDeque<>()).add(inbox);
            return inbox;
        }
    }

    /**
     * The call has answered. Gives the inbox of the session that it answered with: not the announced one, where the call was a retry and the
     * session lives already.
     */
    Inbox opened(Inbox announced, String id, boolean mayBeRetry) {
        synchronized (monitor) {
            Inbox living = sessions.get(id);
            boolean another = !announced.id.equals(id) || (mayBeRetry && living != null && living != announced && !living.isOver());
            if (!another) {
                return announced;
            }
            withdraw(announced);
            return adopt(id);
        }
    }

    /** Takes an announcement back. */
    void withdraw(Inbox inbox) {
        synchronized (monitor) {
            forgetOpening(inbox);
            sessions.remove(inbox.id, inbox);
            ack(inbox.id, inbox.discard());
        }
    }

    /** The inbox of a session that lives already. */
    Inbox adopt(String id) {
        synchronized (monitor) {
            Inbox inbox = sessions.computeIfAbsent(id, unknown -> new Inbox(unknown, false, true));
            ack(id, inbox.accept());
            return inbox;
        }
    }

    void forget(Inbox inbox) {
        synchronized (monitor) {
            sessions.remove(inbox.id, inbox);
        }
    }

    /** Where the sessions that a listener accepts wait. They may come before the answer that tells its id. */
    Accepting listener(String id) {
        synchronized (monitor) {
            return listeners.computeIfAbsent(id, unknown -> new Accepting());
        }
    }

    void ack(String lane, long upTo) {
        if (upTo == Inbox.NOTHING) {
            return;
        }
        synchronized (monitor) {
            if (!closed) {
                acks.merge(lane, upTo, Math::max);
                monitor.notifyAll();
            }
        }
    }

    /** What was opened here and lives. */
    List<Inbox> owned() {
        synchronized (monitor) {
            return sessions.values().stream().filter(inbox -> inbox.owned && !inbox.isOver()).toList();
        }
    }
}
