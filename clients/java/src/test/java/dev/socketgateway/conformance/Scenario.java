package dev.socketgateway.conformance;

import com.google.gson.JsonObject;
import dev.socketgateway.CloseReason;
import dev.socketgateway.Closed;
import dev.socketgateway.Event;
import dev.socketgateway.Gateway;
import dev.socketgateway.GatewayException;
import dev.socketgateway.GatewayOptions;
import dev.socketgateway.Reason;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import dev.socketgateway.tcpip.v1.GetSessionRequest;
import dev.socketgateway.tcpip.v1.ListSubscribersRequest;
import dev.socketgateway.tcpip.v1.ListSubscribersResponse;
import dev.socketgateway.tcpip.v1.SessionServiceGrpc;
import dev.socketgateway.tcpip.v1.SocketGatewayServiceGrpc;
import dev.socketgateway.tcpip.v1.Subscriber;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HexFormat;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;

/** What the scenarios have in common. What is opened by it ends with it. */
final class Scenario implements AutoCloseable {
    static final long PATIENCE_SECONDS = 60;

    final FarEnd far;
    final String gateway;
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();

    /** What a scenario does. */
    interface Body {
        void run(Scenario s) throws Exception;
    }

    /** What ought to fail. */
    interface Action {
        void run() throws Exception;
    }

    Scenario(FarEnd far, String gateway) {
        this.far = far;
        this.gateway = gateway;
    }

    <T extends AutoCloseable> T ends(T what) {
        opened.push(what);
        return what;
    }

    @Override
    public void close() {
        while (!opened.isEmpty()) {
            try {
                opened.pop().close();
            } catch (Exception failed) {
                throw new AssertionError("it does not close", failed);
            }
        }
    }

    Gateway open() throws InterruptedException {
        return ends(Gateway.open(gateway));
    }

    Gateway open(String address, GatewayOptions options) throws InterruptedException {
        return ends(Gateway.open(address, options));
    }

    GatewayProcess own(String... settings) throws IOException {
        return ends(GatewayProcess.start(settings));
    }

    Session connect(Gateway gateway, String peer, TcpOptions options) throws InterruptedException {
        return gateway.connect(far.host, far.port(peer), options);
    }

    static void check(boolean good, Object... what) {
        if (!good) {
            throw new AssertionError(String.join(" ", java.util.Arrays.stream(what).map(String::valueOf).toList()));
        }
    }

    static void is(String what, Object found, Object wanted) {
        check(Objects.equals(found, wanted), what, "is", found, "not", wanted);
    }

    static void isBytes(byte[] found, byte[] wanted) {
        check(java.util.Arrays.equals(found, wanted), "other bytes came:", found.length, "of", wanted.length);
    }

    static GatewayException fails(Action action, Reason reason, Status.Code code, String... metadata) throws Exception {
        try {
            action.run();
        } catch (GatewayException failed) {
            return is(failed, reason, code, metadata);
        } catch (StatusRuntimeException failed) {
            return is(GatewayException.from(failed), reason, code, metadata);
        }
        throw new AssertionError("it does not fail with " + reason);
    }

    static GatewayException is(GatewayException failed, Reason reason, Status.Code code, String... metadata) {
        check(failed.reason() == reason && failed.code() == code, failed.code(), failed.reason(), failed, "not", code, reason);
        check(!failed.getMessage().isEmpty(), "no text");
        check(failed.metadata().keySet().containsAll(Set.of(metadata)), "the metadata", failed.metadata(), "lacks some of", Set.of(metadata));
        return failed;
    }

    static void violates(GatewayException failed, String... fields) {
        is("the bad fields", failed.violations().stream().map(dev.socketgateway.Violation::field).toList(), java.util.List.of(fields));
    }

    static void eventually(String what, Callable<Boolean> holds) throws Exception {
        long until = System.nanoTime() + PATIENCE_SECONDS * 1_000_000_000L;
        while (!holds.call()) {
            check(System.nanoTime() < until, "never:", what);
            Thread.sleep(20);
        }
    }

    static Closed ended(Session session, CloseReason reason) throws InterruptedException {
        Closed end = session.closed();
        is("the reason", end.reason(), reason);
        return end;
    }

    static Closed disconnected(Session session) throws InterruptedException {
        session.disconnect();
        return ended(session, CloseReason.BY_REQUEST);
    }

    static Event event(Session session, Event.Kind kind) throws InterruptedException {
        for (Event event : session.events()) {
            if (event.kind() == kind) {
                return event;
            }
        }
        throw new AssertionError("no event " + kind);
    }

    static void hears(Session session, String... lines) throws InterruptedException {
        for (String line : lines) {
            is("the line", session.nextLine(), line);
        }
    }

    /** Reads so many bytes, or with -1 to the end. */
    static byte[] read(Session session, int size) throws InterruptedException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        while (size < 0 || all.size() < size) {
            byte[] chunk = session.nextChunk();
            if (chunk == null) {
                break;
            }
            all.writeBytes(chunk);
        }
        return all.toByteArray();
    }

    static SocketGatewayServiceGrpc.SocketGatewayServiceBlockingStub sockets(Gateway gateway) {
        return SocketGatewayServiceGrpc.newBlockingStub(gateway.channel());
    }

    static SessionServiceGrpc.SessionServiceBlockingStub sessions(Gateway gateway) {
        return SessionServiceGrpc.newBlockingStub(gateway.channel());
    }

    static dev.socketgateway.tcpip.v1.Session look(Gateway gateway, String id) {
        return sessions(gateway).getSession(GetSessionRequest.newBuilder().setSessionId(id).build()).getSession();
    }

    /** A subscriber; null where there is none. */
    static Subscriber subscriber(Gateway gateway, String name) {
        String token = "";
        do {
            ListSubscribersResponse page = sessions(gateway)
                    .listSubscribers(ListSubscribersRequest.newBuilder().setPageSize(1000).setPageToken(token).build());
            for (Subscriber subscriber : page.getSubscribersList()) {
                if (subscriber.getName().equals(name)) {
                    return subscriber;
                }
            }
            token = page.getNextPageToken();
        } while (!token.isEmpty());
        return null;
    }

    JsonObject lookFar(Session session) throws IOException {
        return far.order("look", "port", session.localAddress().getPort());
    }

    JsonObject waitFar(Session session) throws IOException {
        return waitFar(session.localAddress().getPort());
    }

    JsonObject waitFar(int port) throws IOException {
        return far.order("wait", "port", port, "timeout", PATIENCE_SECONDS);
    }

    void say(Session session, String text) throws IOException {
        far.order("say", "port", session.localAddress().getPort(), "text", text);
    }

    static byte[] pattern(int size) {
        byte[] all = new byte[size];
        for (int i = 0; i < size; i++) {
            all[i] = (byte) (i % 251);
        }
        return all;
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String hash(byte[] data) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
    }
}
