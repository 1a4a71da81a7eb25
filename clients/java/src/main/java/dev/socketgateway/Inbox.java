package dev.socketgateway;

import dev.socketgateway.tcpip.v1.Connected;
import dev.socketgateway.tcpip.v1.Disconnected;
import dev.socketgateway.tcpip.v1.Envelope;
import io.grpc.Status;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;

/**
 * What has arrived for one session, in order, until the application takes it.
 *
 * <p>Data is acked when the application takes it, events with the data before them. What is not acked counts against the session's credit in
 * the gateway, so an inbox holds at most that credit, and a slow reader holds up nobody but its own peer.
 */
final class Inbox {
    /** Events kept for {@code nextEvent}; the oldest go first. A session has few of them, but for timeouts. */
    private static final int EVENTS_KEPT = 64;

    /** Nothing is to be acked. */
    static final long NOTHING = 0;

    final String id;
    /** Whether it is to be closed with the Gateway. */
    final boolean owned;

    private final ArrayDeque<Entry> data = new ArrayDeque<>();
    private final ArrayDeque<Event> events = new ArrayDeque<>();
    private long received;
    private long acked;
    private boolean accepted;
    private boolean discarding;
    private boolean halfClosed;
    private InetSocketAddress local;
    private InetSocketAddress remote;
    private GatewayException failure;
    private Closed closed;
    private GatewayException lost;

    private record Entry(long sequence, Data data) {}

    /** Data and up to where to ack with it; no data at an orderly end. */
    record Taken(Data data, long due) {}

    Inbox(String id, boolean owned, boolean accepted) {
        this.id = id;
        this.owned = owned;
        this.accepted = accepted;
    }

    /** Takes a new envelope in. Returns up to where to ack. */
    synchronized long deliver(Envelope envelope) {
        received = envelope.getSequence();
        Data arrived = envelope.hasData() ? dataOf(envelope) : null;
        if (arrived == null) {
            note(envelope);
        } else if (!discarding) {
            data.add(new Entry(received, arrived));
        }
        notifyAll();
        return due();
    }

    /** An envelope that came before comes once more: an ack that was lost is repeated. */
    synchronized long repeated(long sequence) {
        return sequence <= acked ? acked : NOTHING;
    }

    private long due() {
        if (!accepted) {
            return NOTHING;
        }
        long taken = data.isEmpty() ? received : data.peek().sequence() - 1;
        if (taken <= acked) {
            return NOTHING;
        }
        acked = taken;
        return taken;
    }

    private static Data dataOf(Envelope envelope) {
        var data = envelope.getData();
        return switch (data.getPayloadCase()) {
            case BYTES -> new Data.Chunk(data.getBytes().toByteArray());
            case TEXT -> new Data.TextLine(new Line(data.getTextBytes()));
            case MATCH -> Match.of(data.getMatch());
            case FLUSHED -> Match.of(data.getFlushed());
            case DATAGRAM -> {
                var datagram = data.getDatagram();
                byte[] payload = (datagram.hasText() ? datagram.getTextBytes() : datagram.getBytes()).toByteArray();
                yield new Datagram(
                        Addresses.of(datagram.getRemoteHost(), datagram.getRemotePort()), payload, datagram.hasText(), envelope.getDroppedBefore());
            }
            case PAYLOAD_NOT_SET -> null;
        };
    }

    private void note(Envelope envelope) {
        Event.Kind kind = kindOf(envelope);
        if (kind == null) {
            return;
        }
        GatewayException error = null;
        switch (kind) {
            case CONNECTED -> connected(envelope.getConnected());
            case LISTENING -> local = Addresses.of(envelope.getListening().getLocalHost(), envelope.getListening().getLocalPort());
            case HALF_CLOSED -> halfClosed = true;
            case ERROR, TIMEOUT -> {
                error = errorOf(envelope);
                failure = error;
            }
            case DISCONNECTED -> closed = endOf(envelope.getDisconnected());
            default -> { }
        }
        if (events.size() == EVENTS_KEPT) {
            events.remove();
        }
        events.add(new Event(kind, Instant.ofEpochSecond(envelope.getTimestamp().getSeconds(), envelope.getTimestamp().getNanos()), error));
    }

    private static Event.Kind kindOf(Envelope envelope) {
        String name = envelope.getEvent().name();
        for (Event.Kind kind : Event.Kind.values()) {
            if (name.equals("EVENT_" + kind)) {
                return kind;
            }
        }
        return null;
    }

    private static GatewayException errorOf(Envelope envelope) {
        Reason reason = Reason.of(envelope.getErrorCode());
        return GatewayException.of(new GatewayException.Failure(
                reason == Reason.TIMEOUT ? Status.Code.DEADLINE_EXCEEDED : Status.Code.ABORTED,
                reason,
                envelope.getErrorText(),
                Map.copyOf(envelope.getErrorMetadataMap()),
                List.of(),
                null));
    }

    private Closed endOf(Disconnected end) {
        CloseReason reason = CloseReason.of(end.getReason());
        // Other errors are those of calls, which did not end it.
        boolean failed = reason == CloseReason.ERROR || reason == CloseReason.PEER_RESET || reason == CloseReason.TIMEOUT;
        return new Closed(reason, end.getBytesReceived(), end.getBytesSent(), failed ? failure : null);
    }

    synchronized void connected(Connected ends) {
        local = Addresses.of(ends.getLocalHost(), ends.getLocalPort());
        remote = Addresses.of(ends.getRemoteHost(), ends.getRemotePort());
    }

    synchronized InetSocketAddress local() {
        return local;
    }

    synchronized InetSocketAddress remote() {
        return remote;
    }

    synchronized boolean isOver() {
        return closed != null || lost != null;
    }

    synchronized boolean isAccepted() {
        return accepted;
    }

    /** The gateway lost the session, or this client gives up. */
    synchronized void lose(GatewayException why) {
        if (closed == null && lost == null) {
            lost = why;
        }
        notifyAll();
    }

    /** Somebody accepted it. Returns up to where to ack. */
    synchronized long accept() {
        accepted = true;
        return due();
    }

    /** Nobody reads it any more. Returns up to where to ack. */
    synchronized long discard() {
        discarding = true;
        accepted = true;
        data.clear();
        if (lost == null && closed == null) {
            notifyAll();
        }
        return due();
    }

    /** Throws where nothing can be sent any more. */
    synchronized void checkOpen() {
        if (closed != null) {
            throw new SessionEndedException(closed);
        }
        if (lost != null) {
            throw lost.again();
        }
        if (discarding) {
            throw GatewayException.closed();
        }
    }

    /** Waits for data; none at an orderly end. */
    synchronized Taken next(Deadline deadline) throws InterruptedException {
        while (true) {
            Entry first = data.poll();
            if (first != null) {
                return new Taken(first.data(), due());
            }
            if (closed != null && !closed.isOrderly()) {
                throw new SessionEndedException(closed);
            }
            if (closed != null || (lost == null && halfClosed)) {
                return new Taken(null, NOTHING);
            }
            if (lost != null) {
                throw lost.again();
            }
            if (discarding) {
                throw GatewayException.closed();
            }
            deadline.await(this);
        }
    }

    /** Waits for an event; null after the last. */
    synchronized Event nextEvent(Deadline deadline) throws InterruptedException {
        while (true) {
            Event first = events.poll();
            if (first != null || closed != null) {
                return first;
            }
            if (lost != null) {
                throw lost.again();
            }
            deadline.await(this);
        }
    }

    /** Waits for the end. */
    synchronized Closed closed(Deadline deadline) throws InterruptedException {
        while (closed == null) {
            if (lost != null) {
                throw lost.again();
            }
            deadline.await(this);
        }
        return closed;
    }

    /** Waits for the connection. */
    synchronized void awaitConnected() throws InterruptedException {
        while (remote == null) {
            if (closed != null) {
                throw closed.failure() == null ? new SessionEndedException(closed) : closed.failure().again();
            }
            if (lost != null) {
                throw lost.again();
            }
            wait();
        }
    }
}
