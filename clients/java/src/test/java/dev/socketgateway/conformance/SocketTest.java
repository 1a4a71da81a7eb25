package dev.socketgateway.conformance;

import static dev.socketgateway.conformance.Scenario.check;
import static dev.socketgateway.conformance.Scenario.eventually;
import static dev.socketgateway.conformance.Scenario.is;
import static dev.socketgateway.conformance.Scenario.isBytes;
import static dev.socketgateway.conformance.Scenario.pattern;
import static dev.socketgateway.conformance.Scenario.utf8;

import dev.socketgateway.Gateway;
import dev.socketgateway.GatewayException;
import dev.socketgateway.Listener;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import javax.net.SocketFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** The gateway's sessions as Java's own sockets, against the real gateway and the peers of the conformance suite. */
public final class SocketTest {
    private final FarEnd far;
    private final Gateway gateway;
    private final SocketFactory sockets;

    private SocketTest(FarEnd far, Gateway gateway) {
        this.far = far;
        this.gateway = gateway;
        this.sockets = gateway.socketFactory();
    }

    /** A test. */
    private interface Test {
        void run() throws Exception;
    }

    public static void main(String[] none) throws Exception {
        try (FarEnd far = new FarEnd();
                GatewayProcess process = GatewayProcess.start();
                Gateway gateway = Gateway.open(process.address)) {
            new SocketTest(far, gateway).all();
        }
        System.exit(0);
    }

    private void all() throws Exception {
        Map<String, Test> tests = new LinkedHashMap<>();
        tests.put("a socket's bytes go both ways, and its end is told both ways", this::bothWays);
        tests.put("a megabyte comes back while it is still being written", this::muchAtOnce);
        tests.put("a socket knows its addresses and its state", this::addresses);
        tests.put("what has been sent is answered after the output was shut", this::shutOutput);
        tests.put("nothing more is read after the input was shut", this::shutInput);
        tests.put("a read gives up after its timeout, and loses nothing", this::readTimeout);
        tests.put("a dial gives up after its timeout", this::connectTimeout);
        tests.put("failed dials are the exceptions of Java's own sockets", this::failedDials);
        tests.put("closing wakes whoever reads", this::closeWakes);
        tests.put("a linger time of zero resets", this::linger);
        tests.put("a broken connection is a SocketException", this::reset);
        tests.put("options are remembered, and a local address cannot be chosen", this::options);
        tests.put("an accepted session is a socket for code that takes one", this::accepted);
        tests.put("TLS goes over a socket", this::tls);
        for (Map.Entry<String, Test> test : tests.entrySet()) {
            try {
                test.getValue().run();
                System.out.println("passed: " + test.getKey());
            } catch (Throwable failed) {
                throw new AssertionError("FAILED: " + test.getKey(), failed);
            }
        }
    }

    private Socket connect(String peer) throws IOException {
        return sockets.createSocket(far.host, far.port(peer));
    }

    private static <E extends Exception> E fails(Class<E> wanted, Test what) throws Exception {
        try {
            what.run();
        } catch (Exception failed) {
            check(wanted.isInstance(failed), failed, "is no", wanted.getName());
            return wanted.cast(failed);
        }
        throw new AssertionError("it does not fail with " + wanted.getName());
    }

    private static <T> Future<T> later(Callable<T> what) {
        FutureTask<T> task = new FutureTask<>(what);
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        thread.start();
        return task;
    }

    private void bothWays() throws Exception {
        try (Socket socket = connect("echo")) {
            socket.getOutputStream().write(utf8("hello"));
            isBytes(socket.getInputStream().readNBytes(5), utf8("hello"));
        }
        try (Socket socket = connect("closer")) {
            isBytes(socket.getInputStream().readAllBytes(), utf8("bye\r\n"));
        }
    }

    private void muchAtOnce() throws Exception {
        byte[] much = pattern(1 << 20);
        try (Socket socket = connect("echo")) {
            OutputStream out = socket.getOutputStream();
            Future<Void> written = later(() -> {
                out.write(much);
                return null;
            });
            isBytes(socket.getInputStream().readNBytes(much.length), much);
            written.get();
        }
    }

    private void addresses() throws Exception {
        Socket socket = sockets.createSocket();
        check(!socket.isConnected() && !socket.isBound() && !socket.isClosed(), "a new socket is", socket);
        fails(SocketException.class, socket::getInputStream);
        // Not resolved here: names are the gateway's to look up.
        socket.connect(InetSocketAddress.createUnresolved("localhost", far.port("echo")));
        check(socket.isConnected() && socket.isBound(), "a connected socket is", socket);
        is("the peer's port", socket.getPort(), far.port("echo"));
        is("the peer's address", socket.getInetAddress().getHostAddress(), "127.0.0.1");
        check(socket.getLocalPort() > 0, "no local port");
        is("the local address", socket.getLocalAddress().getHostAddress(), "127.0.0.1");
        fails(SocketException.class, () -> socket.connect(new InetSocketAddress(far.host, far.port("echo"))));
        socket.close();
        socket.close();
        check(socket.isClosed(), "a closed socket is", socket);
        fails(SocketException.class, socket::getOutputStream);
    }

    private void shutOutput() throws Exception {
        try (Socket socket = connect("echo")) {
            socket.getOutputStream().write(utf8("to the end"));
            socket.shutdownOutput();
            fails(SocketException.class, () -> socket.getOutputStream().write(1));
            isBytes(socket.getInputStream().readAllBytes(), utf8("to the end"));
        }
    }

    private void shutInput() throws Exception {
        try (Socket socket = connect("greeter")) {
            InputStream in = socket.getInputStream();
            check(in.read() == 'h', "another greeting");
            socket.shutdownInput();
            is("a byte", in.read(), -1);
        }
    }

    private void readTimeout() throws Exception {
        try (Socket socket = connect("echo")) {
            socket.setSoTimeout(200);
            is("the timeout", socket.getSoTimeout(), 200);
            fails(SocketTimeoutException.class, () -> socket.getInputStream().read());
            socket.setSoTimeout(0);
            socket.getOutputStream().write(utf8("late"));
            isBytes(socket.getInputStream().readNBytes(4), utf8("late"));
        }
    }

    private void connectTimeout() throws Exception {
        try (Socket socket = sockets.createSocket()) {
            fails(SocketTimeoutException.class, () -> socket.connect(new InetSocketAddress(far.host, far.port("blackhole")), 300));
        }
    }

    private void failedDials() throws Exception {
        ConnectException refused = fails(ConnectException.class, () -> connect("refused"));
        check(refused.getMessage().contains("refused") && refused.getCause() instanceof GatewayException, refused);
        fails(UnknownHostException.class, () -> sockets.createSocket("no-such-host.invalid", 1));
        // A cloud's metadata: what the gateway's policy forbids.
        fails(SocketException.class, () -> sockets.createSocket("169.254.169.254", 80));
    }

    private void closeWakes() throws Exception {
        Socket socket = connect("silent");
        InputStream in = socket.getInputStream();
        Thread[] reader = new Thread[1];
        Future<Integer> read = later(() -> {
            reader[0] = Thread.currentThread();
            return in.read();
        });
        eventually("it reads", () -> reader[0] != null && reader[0].getState() == Thread.State.WAITING);
        socket.close();
        ExecutionException woken = fails(ExecutionException.class, read::get);
        check(woken.getCause() instanceof SocketException, woken);
    }

    private void linger() throws Exception {
        Socket cut = connect("silent");
        cut.setSoLinger(true, 0);
        is("the linger time", cut.getSoLinger(), 0);
        is("the end at the far end", closed(cut), "broken");
        is("the end at the far end", closed(connect("silent")), "closed");
    }

    /** Closes a socket, and tells how the far end saw it. */
    private String closed(Socket socket) throws IOException {
        int port = socket.getLocalPort();
        socket.close();
        return far.order("wait", "port", port, "timeout", Scenario.PATIENCE_SECONDS).get("outcome").getAsString();
    }

    private void reset() throws Exception {
        try (Socket socket = connect("resetter")) {
            socket.getOutputStream().write('x');
            fails(SocketException.class, () -> socket.getInputStream().read());
        }
    }

    private void options() throws Exception {
        try (Socket socket = connect("echo")) {
            socket.setTcpNoDelay(true);
            socket.setKeepAlive(true);
            socket.setReceiveBufferSize(1 << 16);
            check(socket.getTcpNoDelay() && socket.getKeepAlive(), "an option was forgotten");
            is("the buffer", socket.getReceiveBufferSize(), 1 << 16);
            is("no linger", socket.getSoLinger(), -1);
            fails(IOException.class, () -> socket.sendUrgentData(1));
        }
        fails(SocketException.class, () -> sockets.createSocket(far.host, far.port("echo"), InetAddress.getLoopbackAddress(), 0));
        sockets.createSocket(far.host, far.port("echo"), null, 0).close();
    }

    private void accepted() throws Exception {
        try (Listener listener = gateway.listen("127.0.0.1", 0, TcpOptions.binary());
                Socket visitor = new Socket("127.0.0.1", listener.localAddress().getPort())) {
            Session session = listener.accept();
            try (Socket socket = session.socket()) {
                visitor.getOutputStream().write(utf8("line\n"));
                is("the line", new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8)).readLine(), "line");
                is("its peer", socket.getPort(), visitor.getLocalPort());
                is("its own port", socket.getLocalPort(), listener.localAddress().getPort());
            }
            is("the end", visitor.getInputStream().read(), -1);
        }
    }

    /** A TLS server is at hand: a gateway. That it takes the handshake and speaks HTTP/2 is enough. */
    private void tls() throws Exception {
        Path folder = Callers.certificates();
        Path file = Files.createTempFile("gateway", ".toml");
        Files.writeString(file, "[policy]\nprofile = \"dev\"\n" + Callers.annAndBen() + Callers.tls(folder));
        try (GatewayProcess peer = GatewayProcess.configured(file)) {
            KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null, null);
            try (InputStream authority = Files.newInputStream(folder.resolve("ca.pem"))) {
                trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(authority));
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(trusted);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            int port = Integer.parseInt(peer.address.substring(peer.address.lastIndexOf(':') + 1));
            try (Socket plain = sockets.createSocket("127.0.0.1", port);
                    SSLSocket secure = (SSLSocket) context.getSocketFactory().createSocket(plain, "127.0.0.1", port, true)) {
                var parameters = secure.getSSLParameters();
                parameters.setApplicationProtocols(new String[] {"h2"});
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                secure.setSSLParameters(parameters);
                secure.startHandshake();
                is("the protocol", secure.getApplicationProtocol(), "h2");
                // An HTTP/2 server begins with its settings: the type of the first frame is 4.
                secure.getOutputStream().write(utf8("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
                secure.getOutputStream().write(new byte[] {0, 0, 0, 4, 0, 0, 0, 0, 0});
                secure.getOutputStream().flush();
                is("the type of the first frame", (int) secure.getInputStream().readNBytes(9)[3], 4);
            }
        } finally {
            Files.delete(file);
        }
    }
}
