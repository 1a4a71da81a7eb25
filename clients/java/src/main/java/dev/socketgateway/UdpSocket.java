package dev.socketgateway;

import java.net.InetSocketAddress;
import java.time.Duration;

/** A UDP socket of the gateway. */
public final class UdpSocket implements AutoCloseable {
    private final Gateway gateway;
    private final Session session;
    private final InetSocketAddress local;

    UdpSocket(Gateway gateway, Session session, InetSocketAddress local) {
        this.gateway = gateway;
        this.session = session;
        this.local = local;
    }

    /** {@return its session id in the gateway} */
    public String id() {
        return session.id();
    }

    /** {@return the address and port that are really bound} */
    public InetSocketAddress localAddress() {
        return local;
    }

    /**
     * Waits for a datagram.
     *
     * @return the datagram; null when the socket was closed
     * @throws SessionEndedException where it ended otherwise
     * @throws InterruptedException where the thread was interrupted
     */
    public Datagram receive() throws InterruptedException {
        return (Datagram) session.next();
    }

    /**
     * Lets {@link #receive()} and {@link #nextEvent()} wait no longer than this from now on, and then throw a {@link TimedOutException}. Nothing
     * is lost by that.
     *
     * @param patience zero: for ever, as in the beginning
     */
    public void readTimeout(Duration patience) {
        session.readTimeout(patience);
    }

    /** {@return all datagrams as they come, for a loop or as a stream} */
    public Received<Datagram> datagrams() {
        return new Received<>(this::receive);
    }

    /**
     * Answers a datagram from the port that it came to.
     *
     * @param to the datagram
     * @param payload the answer
     * @throws InterruptedException where the thread was interrupted
     */
    public void reply(Datagram to, byte[] payload) throws InterruptedException {
        sendTo(to.from().getHostString(), to.from().getPort(), payload, DatagramOptions.none());
    }

    /**
     * Sends a datagram from this socket.
     *
     * @param host a name or an address: unicast, multicast or (where allowed) broadcast
     * @param port the port
     * @param payload may be empty
     * @param options how
     * @return how many bytes were sent
     * @throws GatewayException what the gateway says
     * @throws InterruptedException where the thread was interrupted
     */
    public int sendTo(String host, int port, byte[] payload, DatagramOptions options) throws InterruptedException {
        return gateway.datagram(session.id(), host, port, payload, options);
    }

    /**
     * Waits for an event.
     *
     * @return the event; null after the last
     * @throws InterruptedException where the thread was interrupted
     */
    public Event nextEvent() throws InterruptedException {
        return session.nextEvent();
    }

    /**
     * Closes the socket; what has come can still be received.
     *
     * @throws InterruptedException where the thread was interrupted
     */
    public void disconnect() throws InterruptedException {
        session.disconnect();
    }

    /**
     * Waits for the end.
     *
     * @return how it ended
     * @throws InterruptedException where the thread was interrupted
     */
    public Closed closed() throws InterruptedException {
        return session.closed();
    }

    /** Closes the socket and lets go of what has not been received. It does not wait. */
    @Override
    public void close() {
        session.close();
    }

    @Override
    public String toString() {
        return "UdpSocket[" + id() + ", " + local + "]";
    }
}
