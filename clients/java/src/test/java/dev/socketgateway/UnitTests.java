package dev.socketgateway;

import dev.socketgateway.tcpip.v1.Data;
import dev.socketgateway.tcpip.v1.Disconnected;
import dev.socketgateway.tcpip.v1.Envelope;
import dev.socketgateway.tcpip.v1.ErrorReason;
import dev.socketgateway.tcpip.v1.Event;
import io.grpc.Status;
import java.time.Duration;
import java.util.Map;

/** What the conformance suite cannot see. Each test is a sentence. */
public final class UnitTests {
    private UnitTests() {}

    /** A test. */
    private interface Test {
        void run() throws Exception;
    }

    public static void main(String[] none) throws Exception {
        Map<String, Test> tests = Map.of(
                "every reason of the protos is one of this client's", UnitTests::everyReason,
                "a bug of the gateway is mapped like any other error", UnitTests::internal,
                "data is acked when it is taken, and events with what came before them", UnitTests::acks,
                "the lost ack of what comes again is repeated", UnitTests::repeats,
                "a session that nobody accepted is not acked", UnitTests::unaccepted,
                "what nobody reads any more is acked at once", UnitTests::discarded,
                "a session's error is told at its end", UnitTests::failedEnd,
                "a token does not go in plaintext to another machine", UnitTests::plaintextToken,
                "the terminator counts as sent", UnitTests::payloadSize,
                "a wait gives up after its patience, and loses nothing", UnitTests::patience);
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
