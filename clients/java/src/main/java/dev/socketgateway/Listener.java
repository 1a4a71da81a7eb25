package dev.socketgateway;

import dev.socketgateway.tcpip.v1.SocketGatewayServiceGrpc;
import dev.socketgateway.tcpip.v1.TcpUnlistenRequest;
import java.net.InetSocketAddress;
import java.time.Duration;

/** A TCP server socket of the gateway. */
public final class Listener implements AutoCloseable {
    private final Link link;
    private final String id;
    private final InetSocketAddress local;
    private final Accepting accepting;
    private final TcpOptions options;

    Listener(Link link, String id, InetSocketAddress local, TcpOptions options) {
        this.link = link;
        this.id = id;
        this.local = local;
        this.options = options;
        this.accepting = link.routes.listener(id);
    }

    /** {@return its id in the gateway} */
    public String id() {
        return id;
    }

    /** {@return the address and port that are really bound} */
    public InetSocketAddress localAddress() {
        return local;
    }

    /**
     * Waits for the next connection.
     *
     * @return its session; null when the listener was closed
     * @throws GatewayRestartedException where the gateway lost the listener
     * @throws InterruptedException where the thread was interrupted
     */
    public Session accept() throws InterruptedException {
        return accept(Deadline.NEVER);
    }

    /**
     * Waits for the next connection, but not for ever; otherwise as {@link #accept()}.
     *
     * @param patience for how long
     * @return its session; null when the listener was closed
     * @throws TimedOutException where nobody came in time
     * @throws InterruptedException where the thread was interrupted
     */
    public Session accept(Duration patience) throws InterruptedException {
        return accept(Deadline.in(patience));
    }

    private Session accept(Deadline deadline) throws InterruptedException {
        Inbox inbox = accepting.next(deadline);
        if (inbox == null) {
            return null;
        }
        link.routes.ack(inbox.id, inbox.accept());
        return new Session(link, inbox, options.terminator, options.isLines(), false);
    }

    /** {@return all connections as they come, for a loop or as a stream} */
    public Received<Session> sessions() {
        return new Received<>(this::accept);
    }

    /**
     * Closes the listener and the sessions that it accepted.
     *
     * @return how many sessions are being closed
     * @throws InterruptedException where the thread was interrupted
     */
    public int closeWithSessions() throws InterruptedException {
        try {
            return link.calls.call(SocketGatewayServiceGrpc.getTcpUnlistenMethod(), unlisten(true)).getSessionsClosing();
        } finally {
            accepting.close();
        }
    }

    private TcpUnlistenRequest unlisten(boolean sessionsToo) {
        return TcpUnlistenRequest.newBuilder().setListenerId(id).setCloseSessions(sessionsToo).setSubscriber(link.subscriber).build();
    }

    /** Closes the listener; the sessions that it accepted live on. It waits until nobody can connect any more, but not for long. */
    @Override
    public void close() {
        if (accepting.close()) {
            Calls.hangUp(link.calls.farewell(SocketGatewayServiceGrpc.getTcpUnlistenMethod(), unlisten(false)));
        }
    }

    @Override
    public String toString() {
        return "Listener[" + id + ", " + local + "]";
    }
}
