package dev.socketgateway;

import static java.util.Map.entry;

import dev.socketgateway.tcpip.v1.Connected;
import dev.socketgateway.tcpip.v1.Data;
import dev.socketgateway.tcpip.v1.Disconnected;
import dev.socketgateway.tcpip.v1.Envelope;
import dev.socketgateway.tcpip.v1.ErrorReason;
import dev.socketgateway.tcpip.v1.Event;
import dev.socketgateway.tcpip.v1.FieldViolation;
import io.grpc.Status;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** What the conformance suite cannot see. Each test is a sentence. */
public final class UnitTests {
    private UnitTests() {}

    /** A test. */
    private interface Test {
        void run() throws Exception;
    }

    public static void main(String[] none) throws Exception {
        Map<String, Test> tests = Map.ofEntries(
                entry("every reason of the protos is one of this client's", UnitTests::everyReason),
                entry("a bug of the gateway is mapped like any other error", UnitTests::internal),
                entry("a bad argument is told once", UnitTests::violation),
                entry("data is acked when it is taken, and events with what came before them", UnitTests::acks),
                entry("the lost ack of what comes again is repeated", UnitTests::repeats),
                entry("a session that nobody accepted is not acked", UnitTests::unaccepted),
                entry("who accepts a session knows its peer", UnitTests::acceptedPeer),
                entry("who is refused an id does not get what comes for its holder", UnitTests::refusedId),
                entry("a retried call is answered with the session that lives", UnitTests::retried),
                entry("what nobody reads any more is acked at once", UnitTests::discarded),
                entry("a session's error is told at its end", UnitTests::failedEnd),
                entry("a token does not go in plaintext to another machine", UnitTests::plaintextToken),
                entry("a session is not read in the other mode's way", UnitTests::modes),
                entry("the terminator counts as sent", UnitTests::payloadSize),
                entry("a wait gives up after its patience, and loses nothing", UnitTests::patience));
        for (Map.Entry<String, Test> test : tests.entrySet()) {
            try {
                test.getValue().run();
                System.out.println("passed: " + test.getKey());
            } catch (Throwable failed) {
                throw new AssertionError("FAILED: " + test.getKey(), failed);
            }
        }
    }

    private static void is(Object found, Object wanted) {
        if (!found.equals(wanted)) {
            throw new AssertionError(found + ", not " + wanted);
        }
    }

    private static void everyReason() {
        for (ErrorReason reason : ErrorReason.values()) {
            if (reason != ErrorReason.UNRECOGNIZED) {
                is(Reason.of(Reason.nameOf(reason)).name(), Reason.nameOf(reason));
            }
        }
        is(Reason.of("OF_A_NEWER_GATEWAY"), Reason.UNSPECIFIED);
    }

    private static void internal() {
        var error = dev.socketgateway.tcpip.v1.CommandError.newBuilder().setGrpcCode(13).setErrorCode("INTERNAL").setErrorText("broken").build();
        GatewayException failed = GatewayException.from(error);
        is(failed.code(), Status.Code.INTERNAL);
        is(failed.reason(), Reason.INTERNAL);
        is(failed.getMessage(), "broken (INTERNAL)");
    }

    private static void violation() {
        var error = dev.socketgateway.tcpip.v1.CommandError.newBuilder()
                .setGrpcCode(3)
                .setErrorCode("CONNECT_INVALID")
                .setErrorText("port: 0 is no port")
                .addFieldViolations(FieldViolation.newBuilder().setField("port").setDescription("0 is no port"))
                .addFieldViolations(FieldViolation.newBuilder().setField("host").setDescription("is required"))
                .build();
        is(GatewayException.from(error).getMessage(), "port: 0 is no port; host: is required (CONNECT_INVALID)");
    }

    private static Envelope data(long sequence) {
        return Envelope.newBuilder().setSequence(sequence).setEvent(Event.EVENT_DATA).setData(Data.newBuilder().setText("x")).build();
    }

    private static Envelope event(long sequence, Event event) {
        return Envelope.newBuilder().setSequence(sequence).setEvent(event).build();
    }

    private static void acks() throws Exception {
        Inbox inbox = new Inbox("s", true, true);
        is(inbox.deliver(event(3, Event.EVENT_CONNECTING)), 3L);
        is(inbox.deliver(data(4)), Inbox.NOTHING);
        is(inbox.deliver(event(6, Event.EVENT_HALF_CLOSED)), Inbox.NOTHING);
        is(inbox.next(Deadline.NEVER).due(), 6L);
    }

    private static void repeats() throws Exception {
        Inbox inbox = new Inbox("s", true, true);
        inbox.deliver(data(1));
        inbox.deliver(data(2));
        is(inbox.next(Deadline.NEVER).due(), 1L);
        is(inbox.repeated(1), 1L);
        is(inbox.repeated(2), Inbox.NOTHING);
    }

    private static void unaccepted() {
        Inbox inbox = new Inbox("s", false, false);
        is(inbox.deliver(event(1, Event.EVENT_CONNECTED)), Inbox.NOTHING);
        is(inbox.accept(), 1L);
    }

    private static void acceptedPeer() throws Exception {
        Object monitor = new Object();
        Routes routes = new Routes(monitor);
        Accepting accepting = routes.listener("l");
        int sessions = 2_000;
        var found = CompletableFuture.supplyAsync(() -> {
            int known = 0;
            try {
                for (int i = 0; i < sessions; i++) {
                    known += accepting.next(Deadline.NEVER).remote() == null ? 0 : 1;
                }
            } catch (InterruptedException nobodyDoesThat) {
                Thread.currentThread().interrupt();
            }
            return known;
        });
        for (int i = 1; i <= sessions; i++) {
            synchronized (monitor) {
                routes.deliver(event(i, Event.EVENT_CONNECTED).toBuilder()
                        .setSessionId("s" + i)
                        .setListenerId("l")
                        .setConnected(Connected.newBuilder().setRemoteHost("192.0.2.1").setRemotePort(i))
                        .build());
            }
        }
        is(found.get(), sessions);
    }

    private static Envelope of(String session, Envelope envelope) {
        return envelope.toBuilder().setSessionId(session).build();
    }

    private static void refusedId() {
        Routes routes = new Routes(new Object());
        // Both calls were answered before the first envelope came.
        Inbox holder = routes.announce("s");
        is(routes.opened(holder, "s", false), holder);
        Inbox refused = routes.announce("s");
        routes.withdraw(refused);
        Inbox another = routes.announce("s");
        routes.deliver(of("s", event(1, Event.EVENT_CONNECTING)));
        routes.withdraw(another);
        routes.deliver(of("s", event(2, Event.EVENT_DISCONNECTED)));
        is(holder.isOver(), true);
        is(another.isOver(), false);
    }

    private static void retried() {
        Routes routes = new Routes(new Object());
        Inbox first = routes.announce("s");
        routes.deliver(of("s", event(1, Event.EVENT_CONNECTING)));
        is(routes.opened(first, "s", true), first);
        is(routes.opened(routes.announce("t"), "s", true), first);
        is(routes.opened(routes.announce("s"), "s", true), first);
        // Where it is no retry, the end of the first is on the way, and then the beginning of the second.
        Inbox second = routes.announce("s");
        is(routes.opened(second, "s", false), second);
        routes.deliver(of("s", event(2, Event.EVENT_DISCONNECTED)));
        routes.deliver(of("s", event(3, Event.EVENT_CONNECTING)));
        routes.deliver(of("s", event(4, Event.EVENT_DISCONNECTED)));
        is(first.isOver() && second.isOver(), true);
    }

    private static void discarded() {
        Inbox inbox = new Inbox("s", true, true);
        inbox.deliver(data(1));
        is(inbox.discard(), 1L);
        is(inbox.deliver(data(2)), 2L);
    }

    private static void failedEnd() throws Exception {
        Inbox inbox = new Inbox("s", true, true);
        inbox.deliver(event(1, Event.EVENT_ERROR).toBuilder().setErrorCode("TRANSPORT_ERROR").setErrorText("reset").build());
        inbox.deliver(event(2, Event.EVENT_DISCONNECTED).toBuilder()
                .setDisconnected(Disconnected.newBuilder().setReasonValue(2)).build());
        is(inbox.closed(Deadline.NEVER).reason(), CloseReason.PEER_RESET);
        try {
            inbox.next(Deadline.NEVER);
            throw new AssertionError("no error");
        } catch (SessionEndedException failed) {
            is(failed.reason(), Reason.TRANSPORT_ERROR);
        }
    }

    private static void plaintextToken() {
        GatewayOptions options = GatewayOptions.defaults().token("secret");
        options.credentialsFor("127.0.0.1:50051");
        options.plaintextToken().credentialsFor("192.0.2.7:50051");
        try {
            options.credentialsFor("192.0.2.7:50051");
            throw new AssertionError("it would go");
        } catch (IllegalArgumentException refused) {
            is(refused.getMessage().contains("plaintext"), true);
        }
    }

    private static void modes() throws Exception {
        Session lines = new Session(null, new Inbox("s", true, true), Terminator.LF, true, false);
        Session binary = new Session(null, new Inbox("s", true, true), Terminator.NONE, false, false);
        misused("this session is in line mode: use nextLine, nextMatch or next", lines::nextChunk);
        misused("this session is in binary mode: use nextChunk or next", binary::nextLine);
    }

    private static void misused(String text, Test what) throws Exception {
        try {
            what.run();
            throw new AssertionError("it is let through");
        } catch (IllegalStateException wrong) {
            is(wrong.getMessage(), text);
        }
    }

    private static void payloadSize() {
        is(Payload.text("ü").andBytes(new byte[3]).size(Terminator.CRLF), 7L);
    }

    private static void patience() throws Exception {
        Inbox inbox = new Inbox("s", true, true);
        Accepting accepting = new Accepting();
        Duration moment = Duration.ofMillis(30);
        long began = System.nanoTime();
        late(() -> inbox.next(Deadline.in(moment)));
        late(() -> inbox.nextEvent(Deadline.in(moment)));
        late(() -> inbox.closed(Deadline.in(moment)));
        late(() -> accepting.next(Deadline.in(moment)));
        is(System.nanoTime() - began >= 4 * moment.toNanos(), true);
        inbox.deliver(data(1));
        is(inbox.next(Deadline.in(Duration.ofSeconds(Long.MAX_VALUE))).data() instanceof dev.socketgateway.Data.TextLine, true);
        // What is there already is had without waiting.
        accepting.push(inbox);
        is(accepting.next(Deadline.in(Duration.ZERO)), inbox);
    }

    private static void late(Test wait) throws Exception {
        try {
            wait.run();
            throw new AssertionError("it did not give up");
        } catch (TimedOutException late) {
            is(late.getMessage(), "nothing came within 30 ms (TIMEOUT)");
            is(late.code(), Status.Code.DEADLINE_EXCEEDED);
        }
    }
}
