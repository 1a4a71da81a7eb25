package dev.socketgateway;

import com.google.protobuf.ByteString;
import dev.socketgateway.tcpip.v1.AttachRequest;
import dev.socketgateway.tcpip.v1.GetSessionRequest;
import dev.socketgateway.tcpip.v1.PayloadItem;
import dev.socketgateway.tcpip.v1.SessionServiceGrpc;
import dev.socketgateway.tcpip.v1.SocketGatewayServiceGrpc;
import dev.socketgateway.tcpip.v1.TcpConnectRequest;
import dev.socketgateway.tcpip.v1.TcpConnectResponse;
import dev.socketgateway.tcpip.v1.TcpDisconnectRequest;
import dev.socketgateway.tcpip.v1.TcpListenRequest;
import dev.socketgateway.tcpip.v1.TcpListenResponse;
import dev.socketgateway.tcpip.v1.UdpInRequest;
import dev.socketgateway.tcpip.v1.UdpInResponse;
import dev.socketgateway.tcpip.v1.UdpOutRequest;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import javax.net.SocketFactory;

/**
 * The way to one socket gateway, with the one stream that carries all its sessions. It may be used by several threads. Close it.
 *
 * <pre>{@code
 * try (Gateway gateway = Gateway.open("127.0.0.1:50051");
 *         Session session = gateway.connect("192.0.2.7", 23, TcpOptions.lines())) {
 *     session.send("hello");
 *     System.out.println(session.nextLine());
 * }
 * }</pre>
 */
public final class Gateway implements AutoCloseable {
    private static final int KEEPALIVE_SECONDS = 20;
    private static final int KEEPALIVE_TIMEOUT_SECONDS = 10;
    private static final int SHUTDOWN_SECONDS = 5;
    /** The gateway's messages are far smaller; an exchange's answer can be large. */
    private static final int LARGEST_MESSAGE = 64 << 20;

    private final ManagedChannel connection;
    private final Link link;

    private Gateway(ManagedChannel connection, Link link) {
        this.connection = connection;
        this.link = link;
    }

    /**
     * Opens the way to a gateway, with default options.
     *
     * @param target {@code host:port}; with {@code https://} before it, encrypted
     * @return the open way
     * @throws InterruptedException where the thread was interrupted
     */
    public static Gateway open(String target) throws InterruptedException {
        return open(target, GatewayOptions.defaults());
    }

    /**
     * Opens the way to a gateway and attaches to it.
     *
     * @param target {@code host:port}, or one of gRPC's targets; with {@code https://} before host and port, encrypted
     * @param options how
     * @return the open way
     * @throws GatewayUnreachableException where nobody is there
     * @throws IllegalArgumentException where the target is none
     * @throws AccessDeniedException where the gateway does not know the caller
     * @throws InterruptedException where the thread was interrupted
     */
    public static Gateway open(String target, GatewayOptions options) throws InterruptedException {
        String address = target.replaceFirst("^https?://", "");
        ManagedChannelBuilder<?> builder = Grpc.newChannelBuilder(address, options.credentialsFor(target))
                .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
                .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
                .maxInboundMessageSize(LARGEST_MESSAGE)
                .userAgent("socket-gateway-java/" + version());
        if (options.serverName != null) {
            builder.overrideAuthority(options.serverName);
        }
        ManagedChannel connection;
        try {
            connection = builder.build();
        } catch (IllegalArgumentException wrong) {
            throw new IllegalArgumentException("\"" + target + "\" is no target: it is host:port, for example \"127.0.0.1:50051\"", wrong);
        }
        Channel channel = options.token == null ? connection : ClientInterceptors.intercept(connection, new Bearer(options.token));
        String subscriber = options.subscriber == null ? "java-" + UUID.randomUUID() : options.subscriber;
        Link link = new Link(connection, channel, subscriber, options.heartbeat, options.patience);
        boolean done = false;
        try {
            link.start();
            done = true;
        } catch (GatewayUnreachableException unreachable) {
            throw unreachable.at(target);
        } finally {
            if (!done) {
                connection.shutdownNow();
            }
        }
        return new Gateway(connection, link);
    }

    /** {@return the version of this client} */
    public static String version() {
        return "0.1.0";
    }

    /** {@return the name by which the gateway knows this client} */
    public String subscriber() {
        return link.subscriber;
    }

    /** {@return the gRPC channel, with the token, for calls of the generated stubs that this class has no method for} */
    public Channel channel() {
        return link.channel;
    }

    /**
     * Dials, and waits for the connection.
     *
     * @param host a name or an address
     * @param port 1 to 65535
     * @param options how the session behaves
     * @return the session
     * @throws ConnectFailedException where the peer cannot be reached
     * @throws GatewayException what the gateway says
     * @throws InterruptedException where the thread was interrupted; the dial is given up
     */
    public Session connect(String host, int port, TcpOptions options) throws InterruptedException {
        TcpConnectRequest request = options.request.toBuilder()
                .setHost(host)
                .setPort(port)
                .setSubscriber(link.subscriber)
                .setSessionId(options.request.getSessionId().isEmpty() ? newSessionId() : options.request.getSessionId())
                .build();
        Inbox inbox = link.routes.announce(request.getSessionId());
        boolean done = false;
        try {
            TcpConnectResponse said = link.calls.call(SocketGatewayServiceGrpc.getTcpConnectMethod(), request);
            Inbox opened = link.routes.opened(inbox, said.getSessionId(), !request.getRequestId().isEmpty());
            if (said.hasConnected()) {
                opened.connected(said.getConnected());
            }
            done = true;
            return new Session(link, opened, options.terminator, options.isLines(), false);
        } finally {
            if (!done) {
                link.routes.withdraw(inbox);
            }
        }
    }

    private static String newSessionId() {
        return "sess-" + UUID.randomUUID();
    }

    /**
     * Listens on a port of the gateway.
     *
     * @param host the address to bind; empty: all
     * @param port 0 picks a free one, which {@link Listener#localAddress()} tells
     * @param options how accepted sessions behave
     * @return the listener
     * @throws GatewayException what the gateway says
     * @throws InterruptedException where the thread was interrupted
     */
    public Listener listen(String host, int port, TcpOptions options) throws InterruptedException {
        TcpConnectRequest wanted = options.request;
        TcpListenRequest.Builder request = TcpListenRequest.newBuilder()
                .setHost(host)
                .setPort(port)
                .setSubscriber(link.subscriber)
                .setMode(wanted.getMode())
                .setWaitFor(wanted.getWaitFor())
                .setOnTimeout(wanted.getOnTimeout())
                .setAllowHalfOpen(wanted.getAllowHalfOpen())
                .setRequestId(wanted.getRequestId());
        if (wanted.hasTimeout()) {
            request.setTimeout(wanted.getTimeout());
        }
        if (wanted.hasOrphanTimeout()) {
            request.setOrphanTimeout(wanted.getOrphanTimeout());
        }
        TcpListenResponse said = link.calls.call(SocketGatewayServiceGrpc.getTcpListenMethod(), request.build());
        var local = Addresses.of(said.getListening().getLocalHost(), said.getListening().getLocalPort());
        return new Listener(link, said.getListenerId(), local, options);
    }

    /**
     * Binds a UDP socket of the gateway.
     *
     * @param host the address to bind; empty: all
     * @param port 0 picks a free one, which {@link UdpSocket#localAddress()} tells
     * @param options how
     * @return the socket
     * @throws GatewayException what the gateway says
     * @throws InterruptedException where the thread was interrupted
     */
    public UdpSocket udpIn(String host, int port, UdpOptions options) throws InterruptedException {
        UdpInRequest request = options.request.toBuilder()
                .setHost(host)
                .setPort(port)
                .setSubscriber(link.subscriber)
                .setSessionId(options.request.getSessionId().isEmpty() ? newSessionId() : options.request.getSessionId())
                .build();
        Inbox inbox = link.routes.announce(request.getSessionId());
        boolean done = false;
        try {
            UdpInResponse said = link.calls.call(SocketGatewayServiceGrpc.getUdpInMethod(), request);
            done = true;
            var local = Addresses.of(said.getListening().getLocalHost(), said.getListening().getLocalPort());
            return new UdpSocket(this, new Session(link, inbox, Terminator.NONE, false, false), local);
        } finally {
            if (!done) {
                link.routes.withdraw(inbox);
            }
        }
    }

    /**
     * Sends one datagram from a fresh socket of the gateway.
     *
     * @param host a name or an address: unicast, multicast or (where allowed) broadcast
     * @param port the port
     * @param payload may be empty
     * @param options how
     * @return how many bytes were sent
     * @throws GatewayException what the gateway says
     * @throws InterruptedException where the thread was interrupted
     */
    public int udpOut(String host, int port, byte[] payload, DatagramOptions options) throws InterruptedException {
        return datagram("", host, port, payload, options);
    }

    int datagram(String session, String host, int port, byte[] payload, DatagramOptions options) throws InterruptedException {
        UdpOutRequest request = options.request.toBuilder()
                .setHost(host)
                .setPort(port)
                .setPayload(PayloadItem.newBuilder().setBytes(ByteString.copyFrom(payload)))
                .setSessionId(session)
                .setSubscriber(session.isEmpty() ? "" : link.subscriber)
                .build();
        return Commands.await(link.commands.command(() -> AttachRequest.newBuilder().setUdpOut(request))).getUdpOut().getBytes();
    }

    /**
     * A session that lives already, opened by another program or an earlier run of this one. Its data comes here from the first send or claim
     * on. Closing it leaves it open in the gateway; {@link Session#disconnect()} does not.
     *
     * @param id the session's id
     * @return the session
     * @throws SessionNotFoundException where there is none
     * @throws InterruptedException where the thread was interrupted
     */
    public Session session(String id) throws InterruptedException {
        var found = link.calls.call(SessionServiceGrpc.getGetSessionMethod(), GetSessionRequest.newBuilder().setSessionId(id).build());
        boolean lines = found.getSession().getMode() == dev.socketgateway.tcpip.v1.TcpMode.TCP_MODE_LINE;
        return new Session(link, link.routes.adopt(id), lines ? Terminator.LF : Terminator.NONE, lines, true);
    }

    /**
     * Java's own sockets, connected by the gateway, for code that takes a {@link SocketFactory} or a {@link java.net.Socket}: mail and FTP clients,
     * JDBC drivers, TLS by {@link javax.net.ssl.SSLSocketFactory#createSocket(java.net.Socket, String, int, boolean)}.
     *
     * <p>The gateway looks up names, and its policy says what may be reached. Timeouts of connecting and reading hold; of the other socket options,
     * a linger time of 0 makes close reset the connection, and the rest have no effect.
     *
     * @return the factory
     */
    public SocketFactory socketFactory() {
        return new SessionSocketFactory(this);
    }

    /**
     * Closes what was opened here, in order (what was sent is still written), and the connection. It waits no longer than some seconds. Whoever
     * still reads meets an exception.
     */
    @Override
    public void close() {
        shut(true);
    }

    /**
     * Closes the connection, and leaves open in the gateway what is open. A client with the same subscriber name can go on with it by
     * {@link #session}; otherwise the gateway closes it after its orphan timeout.
     */
    public void detach() {
        shut(false);
    }

    private void shut(boolean hangUp) {
        if (hangUp && link.isAttached()) {
            for (Inbox inbox : link.routes.owned()) {
                var request = TcpDisconnectRequest.newBuilder().setSessionId(inbox.id).build();
                link.calls.farewell(SocketGatewayServiceGrpc.getTcpDisconnectMethod(), request);
            }
        }
        List<Future<?>> farewells = link.isAttached() ? link.calls.farewells() : List.of();
        farewells.forEach(Calls::hangUp);
        link.end(GatewayException.closed());
        connection.shutdown();
        try {
            if (!connection.awaitTermination(SHUTDOWN_SECONDS, TimeUnit.SECONDS)) {
                connection.shutdownNow();
            }
        } catch (InterruptedException interrupted) {
            connection.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public String toString() {
        return "Gateway[" + connection.authority() + ", " + link.subscriber + "]";
    }
}
