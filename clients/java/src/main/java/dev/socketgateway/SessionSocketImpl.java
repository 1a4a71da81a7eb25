package dev.socketgateway;

import io.grpc.Status;
import java.io.FileDescriptor;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NoRouteToHostException;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketImpl;
import java.net.SocketOptions;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A session as Java's own {@link java.net.Socket} wants it: what Socket asks of an operating system is asked of the gateway.
 *
 * <p>Names are looked up by the gateway. Of the options, {@link SocketOptions#SO_TIMEOUT} and a linger time of 0 (close resets) do what they say; the
 * rest are the gateway's own affair, and are only remembered.
 */
final class SessionSocketImpl extends SocketImpl {
    /** The longest that the gateway dials. */
    private static final int LONGEST_DIAL_MILLIS = 60_000;

    private final Gateway gateway;
    private final Map<Integer, Object> options = new ConcurrentHashMap<>(Map.of(
            SocketOptions.SO_TIMEOUT, 0,
            SocketOptions.SO_LINGER, -1,
            SocketOptions.TCP_NODELAY, true,
            SocketOptions.SO_KEEPALIVE, true,
            SocketOptions.SO_REUSEADDR, false,
            SocketOptions.SO_OOBINLINE, false,
            SocketOptions.IP_TOS, 0,
            SocketOptions.SO_SNDBUF, 256 << 10,
            SocketOptions.SO_RCVBUF, 256 << 10));
    private volatile Session session;
    private volatile boolean closed;
    private volatile boolean inputShut;
    private volatile boolean outputShut;
    private InputStream input;
    private OutputStream output;

    /** Of a connection that is to be made. */
    SessionSocketImpl(Gateway gateway) {
        this.gateway = gateway;
    }

    /** Of a connection that is there. */
    SessionSocketImpl(Session session) {
        this.gateway = null;
        this.session = session;
    }

    @Override
    protected void create(boolean stream) throws IOException {
        if (!stream) {
            throw new SocketException("for datagrams there is Gateway.udpIn");
        }
        fd = new FileDescriptor();
    }

    @Override
    protected void connect(String host, int port) throws IOException {
        connect(InetSocketAddress.createUnresolved(host, port), 0);
    }

    @Override
    protected void connect(InetAddress address, int port) throws IOException {
        connect(new InetSocketAddress(address, port), 0);
    }

    @Override
    protected void connect(SocketAddress to, int timeout) throws IOException {
        InetSocketAddress wanted = (InetSocketAddress) to;
        if (session == null) {
            dial(wanted, timeout);
        }
        port = wanted.getPort();
        InetSocketAddress remote = session.remoteAddress();
        address = remote == null ? wanted.getAddress() : remote.getAddress();
        localport = local().getPort();
        patience();
        input = new Reading(session);
        output = new Writing(session);
    }

    private void dial(InetSocketAddress to, int timeout) throws IOException {
        TcpOptions how = TcpOptions.binary().allowHalfOpen();
        if (timeout > 0) {
            how = how.connectTimeout(Duration.ofMillis(Math.min(timeout, LONGEST_DIAL_MILLIS)));
        }
        Session dialled;
        try {
            dialled = gateway.connect(to.getHostString(), to.getPort(), how);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw (IOException) new InterruptedIOException("interrupted while connecting").initCause(interrupted);
        } catch (ConnectFailedException failed) {
            throw (IOException) told(failed, to).initCause(failed);
        } catch (GatewayException failed) {
            throw (IOException) new SocketException(failed.getMessage()).initCause(failed);
        }
        session = dialled;
        if (closed) {
            dialled.close();
            throw new SocketException("Socket closed");
        }
    }

    /** A failed dial as Java's own sockets tell it. */
    private static IOException told(ConnectFailedException failed, InetSocketAddress to) {
        if (failed.code() == Status.Code.DEADLINE_EXCEEDED) {
            return new SocketTimeoutException(failed.getMessage());
        }
        if ("resolve".equals(failed.metadata().get("phase"))) {
            return new UnknownHostException(to.getHostString() + ": " + failed.getMessage());
        }
        return switch (failed.errno()) {
            case "EHOSTUNREACH", "ENETUNREACH" -> new NoRouteToHostException(failed.getMessage());
            default -> new ConnectException(failed.getMessage());
        };
    }

    private InetSocketAddress local() {
        InetSocketAddress local = session == null ? null : session.localAddress();
        return local == null ? new InetSocketAddress(0) : local;
    }

    @Override
    protected void bind(InetAddress host, int port) throws IOException {
        if (!host.isAnyLocalAddress() || port != 0) {
            throw new SocketException("the gateway chooses the local address of a connection");
        }
    }

    @Override
    protected void listen(int backlog) throws IOException {
        throw new SocketException("for servers there is Gateway.listen");
    }

    @Override
    protected void accept(SocketImpl into) throws IOException {
        throw new SocketException("for servers there is Gateway.listen");
    }

    @Override
    protected InputStream getInputStream() {
        return input;
    }

    @Override
    protected OutputStream getOutputStream() {
        return output;
    }

    @Override
    protected int available() throws IOException {
        return input == null ? 0 : input.available();
    }

    @Override
    protected void close() {
        closed = true;
        Session open = session;
        if (open == null) {
            return;
        }
        if (Integer.valueOf(0).equals(options.get(SocketOptions.SO_LINGER))) {
            open.close(true);
        } else {
            open.close();
        }
    }

    @Override
    protected void shutdownInput() {
        inputShut = true;
    }

    /** The peer sees the end of what was sent; what it still says can be read for as long as the gateway gives it (10 s). */
    @Override
    protected void shutdownOutput() throws IOException {
        outputShut = true;
        try {
            session.disconnect();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw (IOException) new InterruptedIOException("interrupted while ending the output").initCause(interrupted);
        } catch (GatewayException failed) {
            throw (IOException) new SocketException(failed.getMessage()).initCause(failed);
        }
    }

    @Override
    protected boolean supportsUrgentData() {
        return false;
    }

    @Override
    protected void sendUrgentData(int data) throws IOException {
        throw new SocketException("the gateway knows no urgent data");
    }

    @Override
    public void setOption(int option, Object value) throws SocketException {
        if (closed) {
            throw new SocketException("Socket closed");
        }
        // Java says "no linger" by false.
        options.put(option, option == SocketOptions.SO_LINGER && Boolean.FALSE.equals(value) ? Integer.valueOf(-1) : value);
        patience();
    }

    @Override
    public Object getOption(int option) throws SocketException {
        if (closed) {
            throw new SocketException("Socket closed");
        }
        return option == SocketOptions.SO_BINDADDR ? local().getAddress() : options.get(option);
    }

    private void patience() {
        Session open = session;
        if (open != null) {
            open.readTimeout(Duration.ofMillis((Integer) options.get(SocketOptions.SO_TIMEOUT)));
        }
    }

    /** What a stream meets, as a socket says it. */
    private IOException told(IOException failed) {
        if (closed) {
            return (IOException) new SocketException("Socket closed").initCause(failed);
        }
        if (failed instanceof InterruptedIOException) {
            return failed;
        }
        return (IOException) new SocketException(failed.getMessage()).initCause(failed.getCause());
    }

    private final class Reading extends SessionInputStream {
        private Reading(Session session) {
            super(session);
        }

        @Override
        public synchronized int read(byte[] into, int offset, int length) throws IOException {
            if (closed) {
                throw new SocketException("Socket closed");
            }
            if (inputShut) {
                return -1;
            }
            try {
                return super.read(into, offset, length);
            } catch (IOException failed) {
                throw told(failed);
            }
        }
    }

    private final class Writing extends SessionOutputStream {
        private Writing(Session session) {
            super(session);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            if (closed) {
                throw new SocketException("Socket closed");
            }
            if (outputShut) {
                throw new SocketException("Socket output is shutdown");
            }
            try {
                super.write(bytes, offset, length);
            } catch (IOException failed) {
                throw told(failed);
            }
        }
    }
}
