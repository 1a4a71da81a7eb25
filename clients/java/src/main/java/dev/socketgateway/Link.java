package dev.socketgateway;

import dev.socketgateway.tcpip.v1.Ack;
import dev.socketgateway.tcpip.v1.AttachRequest;
import dev.socketgateway.tcpip.v1.AttachResponse;
import dev.socketgateway.tcpip.v1.Envelope;
import dev.socketgateway.tcpip.v1.SessionAck;
import dev.socketgateway.tcpip.v1.StreamStart;
import dev.socketgateway.tcpip.v1.TcpSendRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.stub.ClientCalls;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/**
 * The one Attach stream of a Gateway: sorts what comes down, sends what goes up, and comes back when it breaks.
 *
 * <p>The stream is in acknowledged mode: the gateway keeps what is not acked, so a stream that breaks is resumed without a gap. It is resumed
 * from the beginning of what is not acked; what has come already is known by its sequence.
 *
 * <p>Everything is guarded by this object's monitor. An inbox has its own, which may be taken while this one is held, never the other way.
 */
final class Link {
    private static final Duration FIRST_REST = Duration.ofMillis(20);
    private static final Duration LONGEST_REST = Duration.ofSeconds(2);
    /** How long one attempt to attach may take, where the whole patience is not shorter. */
    private static final Duration LONGEST_ATTEMPT = Duration.ofSeconds(20);
    /** How many heartbeats may be missing. */
    private static final int MISSING_HEARTBEATS = 3;
    /** How long a last word may take. */
    private static final int FAREWELL_SECONDS = 5;

    final Channel channel;
    final String subscriber;
    private final ManagedChannel connection;
    private final Duration heartbeat;
    private final Duration patience;
    private final Duration attempt;

    private final Map<String, Inbox> sessions = new HashMap<>();
    /** Sessions that are being opened here, until their first envelope. */
    private final Map<String, Inbox> opening = new HashMap<>();
    private final Map<String, Accepting> listeners = new HashMap<>();
    private final Map<String, Long> acks = new HashMap<>();
    private final Map<Long, Waiting> answers = new HashMap<>();
    private final Map<String, Credit> credits = new HashMap<>();
    private final List<Future<?>> farewells = new ArrayList<>();
    private AttachStream up;
    private String instance;
    private String epoch;
    private long received;
    private long lastId;
    private long firstCredit;
    private long lastHeard;
    private GatewayException broken;
    private GatewayException ended;

    private record Waiting(String session, CompletableFuture<dev.socketgateway.tcpip.v1.Answer> answer) {}

    /** What one session may send on this stream. */
    private static final class Credit {
        private long sent;
        private long limit;
        private int open;
    }

    Link(ManagedChannel connection, Channel channel, String subscriber, Duration heartbeat, Duration patience) {
        this.connection = connection;
        this.channel = channel;
        this.subscriber = subscriber;
        this.heartbeat = heartbeat;
        this.patience = patience;
        this.attempt = patience.compareTo(LONGEST_ATTEMPT) < 0 ? patience : LONGEST_ATTEMPT;
    }

    /** Attaches for the first time, and keeps attached from then on. */
    void start() throws InterruptedException {
        AttachStream.open(this, null, heartbeat, attempt);
        Thread thread = new Thread(this::run, "socket-gateway " + subscriber);
        thread.setDaemon(true);
        thread.start();
    }

    private void run() {
        try {
            while (serve()) {
                comeBack();
            }
        } catch (InterruptedException nobodyDoesThat) {
            end(GatewayException.closed());
        }
    }

    /** Sends acks, and watches the stream until it breaks. False: nothing works any more. */
    private synchronized boolean serve() throws InterruptedException {
        while (ended == null && up != null) {
            if (!acks.isEmpty() && up.isReady()) {
                sendAcks();
            }
            long silence = (System.nanoTime() - lastHeard) / 1_000_000;
            long left = heartbeat.toMillis() * MISSING_HEARTBEATS - silence;
            if (left <= 0) {
                up.cancel("the stream is silent");
                broke(up, Status.UNAVAILABLE.withDescription("the stream is silent").asRuntimeException());
            } else {
                wait(left);
            }
        }
        return ended == null;
    }

    private void sendAcks() {
        Ack.Builder ack = Ack.newBuilder();
        acks.forEach((lane, sequence) -> ack.addSessions(SessionAck.newBuilder().setSessionId(lane).setSequence(sequence)));
        acks.clear();
        // Acks that are lost with the stream are repeated when their envelopes come again.
        up.send(AttachRequest.newBuilder().setAck(ack).build());
    }

    private void comeBack() throws InterruptedException {
        long until = System.nanoTime() + patience.toNanos();
        Duration rest = FIRST_REST;
        GatewayException why = broken;
        while (!isFinal(why) && System.nanoTime() < until) {
            synchronized (this) {
                if (ended != null) {
                    return;
                }
            }
            try {
                connection.resetConnectBackoff();
                AttachStream.open(this, instance == null ? null : resume(), heartbeat, attempt);
                return;
            } catch (GatewayRestartedException changed) {
                loseAll(changed);
                continue;
            } catch (GatewayException failed) {
                why = failed;
            }
            Thread.sleep(rest.toMillis());
            rest = rest.multipliedBy(2).compareTo(LONGEST_REST) > 0 ? LONGEST_REST : rest.multipliedBy(2);
        }
        end(why);
    }

    private synchronized dev.socketgateway.tcpip.v1.Resume resume() {
        return dev.socketgateway.tcpip.v1.Resume.newBuilder().setInstanceId(instance).setEpoch(epoch).build();
    }

    /** Whether no other attempt can go better. */
    private static boolean isFinal(GatewayException failed) {
        return switch (failed.reason()) {
            case STREAM_STALLED, SHUTTING_DOWN, INSTANCE_CHANGED, EPOCH_CHANGED -> false;
            default -> switch (failed.code()) {
                case UNAVAILABLE, INTERNAL, CANCELLED, DEADLINE_EXCEEDED, UNKNOWN -> false;
                default -> true;
            };
        };
    }

    // What the stream tells.

    synchronized void began(AttachStream stream, StreamStart start) {
        if (ended != null) {
            stream.cancel("closed");
            return;
        }
        if (!start.getInstanceId().equals(instance) || !start.getEpoch().equals(epoch)) {
            received = 0;
        }
        instance = start.getInstanceId();
        epoch = start.getEpoch();
        firstCredit = start.getSendCredit();
        credits.clear();
        up = stream;
        lastHeard = System.nanoTime();
        notifyAll();
    }

    synchronized void take(AttachStream stream, AttachResponse message) {
        if (up != stream) {
            return;
        }
        lastHeard = System.nanoTime();
        message.getEnvelopesList().forEach(this::deliver);
        message.getAnswersList().forEach(this::answered);
        message.getCreditsList().forEach(renewed -> {
            Credit credit = credit(renewed.getSessionId());
            credit.limit = Math.max(credit.limit, renewed.getSendLimit());
        });
        notifyAll();
    }

    synchronized void broke(AttachStream stream, Throwable why) {
        if (up != stream) {
            return;
        }
        up = null;
        broken = GatewayException.from(why);
        interruptSends();
        notifyAll();
    }

    private void interruptSends() {
        List<Waiting> lost = new ArrayList<>(answers.values());
        answers.clear();
        credits.clear();
        lost.forEach(waiting -> waiting.answer().completeExceptionally(new UncertainException(new GatewayException.Failure(
                Status.Code.UNAVAILABLE,
                Reason.UNSPECIFIED,
                "the stream to the gateway broke before the answer came: whether it was written is not known"))));
    }

    private void deliver(Envelope envelope) {
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
        Inbox inbox = inboxFor(envelope);
        if (inbox == null) {
            ack(lane, sequence);
            return;
        }
        long due = inbox.deliver(envelope);
        if (envelope.getEvent() == dev.socketgateway.tcpip.v1.Event.EVENT_DISCONNECTED) {
            // Whoever holds it has the rest of its data. Its id is free.
            sessions.remove(id);
            credits.remove(id);
            if (!inbox.isAccepted() && envelope.getListenerId().isEmpty()) {
                due = sequence;
            }
        }
        ack(id, due);
    }

    /** The inbox of a session; null where nobody can want what is said of it. */
    private Inbox inboxFor(Envelope envelope) {
        String id = envelope.getSessionId();
        boolean begins = switch (envelope.getEvent()) {
            case EVENT_CONNECTING, EVENT_CONNECTED, EVENT_LISTENING -> true;
            default -> false;
        };
        Inbox known = sessions.get(id);
        if (known != null && !(begins && known.isOver())) {
            return known;
        }
        Inbox opened = begins ? opening.remove(id) : null;
        if (opened == null && !begins && !envelope.hasData()) {
            return null;
        }
        // One that is not being opened here was accepted, or opened by somebody else for this subscriber.
        Inbox inbox = opened == null ? new Inbox(id, false, false) : opened;
        sessions.put(id, inbox);
        if (opened == null && begins && !envelope.getListenerId().isEmpty()) {
            listener(envelope.getListenerId()).push(inbox);
        }
        return inbox;
    }

    private void answered(dev.socketgateway.tcpip.v1.Answer answer) {
        Waiting waiting = answers.remove(answer.getCorrelationId());
        if (waiting == null) {
            return;
        }
        if (waiting.session() != null) {
            credit(waiting.session()).open--;
        }
        waiting.answer().complete(answer);
    }

    private Credit credit(String session) {
        return credits.computeIfAbsent(session, id -> {
            Credit credit = new Credit();
            credit.limit = firstCredit;
            return credit;
        });
    }

    // What the rest of the client asks for.

    /** Announces a session that will be opened: its first envelopes may overtake the answer of the call. */
    synchronized Inbox announce(String id) {
        Inbox inbox = new Inbox(id, true, true);
        opening.put(id, inbox);
        return inbox;
    }

    /** Takes an announcement back. */
    synchronized void withdraw(Inbox inbox) {
        opening.remove(inbox.id, inbox);
        sessions.remove(inbox.id, inbox);
        long due = inbox.discard();
        ack(inbox.id, due);
    }

    /** The inbox of a session that lives already. */
    synchronized Inbox adopt(String id) {
        Inbox inbox = sessions.computeIfAbsent(id, unknown -> new Inbox(unknown, false, true));
        ack(id, inbox.accept());
        return inbox;
    }

    synchronized void forget(Inbox inbox) {
        sessions.remove(inbox.id, inbox);
    }

    /** Where the sessions that a listener accepts wait. They may come before the answer that tells its id. */
    synchronized Accepting listener(String id) {
        return listeners.computeIfAbsent(id, unknown -> new Accepting());
    }

    synchronized void ack(String lane, long upTo) {
        if (upTo == Inbox.NOTHING || ended != null) {
            return;
        }
        acks.merge(lane, upTo, Math::max);
        notifyAll();
    }

    /** What was opened here and lives. */
    synchronized List<Inbox> owned() {
        return sessions.values().stream().filter(inbox -> inbox.owned && !inbox.isOver()).toList();
    }

    synchronized boolean isAttached() {
        return up != null && ended == null;
    }

    /** How much may always be sent at once. */
    synchronized long piece(int largest) {
        return firstCredit == 0 ? largest : Math.max(1, Math.min(largest, firstCredit / 2));
    }

    /** Waits until a stream is attached, so that what is opened is opened in the gateway that is listened to. */
    synchronized void awaitAttached() throws InterruptedException {
        while (up == null || ended != null) {
            if (ended != null) {
                throw ended.again();
            }
            wait();
        }
    }

    /**
     * Puts a send on the stream as soon as the session has the credit for it. Null where no credit is large enough, once nothing of the session
     * is under way.
     */
    synchronized Future<dev.socketgateway.tcpip.v1.Answer> send(Inbox inbox, TcpSendRequest request, long size) throws InterruptedException {
        while (true) {
            awaitAttached();
            inbox.checkOpen();
            Credit credit = credit(inbox.id);
            if (size > firstCredit && credit.open == 0) {
                return null;
            }
            if (size <= firstCredit && credit.sent + size <= credit.limit && up.isReady()) {
                credit.sent += size;
                credit.open++;
                return command(inbox.id, AttachRequest.newBuilder().setTcpSend(request));
            }
            wait();
        }
    }

    /** Puts a command on the stream that needs no credit. */
    synchronized Future<dev.socketgateway.tcpip.v1.Answer> command(Supplier<AttachRequest.Builder> request) throws InterruptedException {
        awaitAttached();
        while (!up.isReady()) {
            wait();
            awaitAttached();
        }
        return command(null, request.get());
    }

    private Future<dev.socketgateway.tcpip.v1.Answer> command(String session, AttachRequest.Builder request) {
        CompletableFuture<dev.socketgateway.tcpip.v1.Answer> answer = new CompletableFuture<>();
        lastId++;
        answers.put(lastId, new Waiting(session, answer));
        up.send(request.setCorrelationId(lastId).build());
        return answer;
    }

    /** The answer of a command, or its error. */
    static dev.socketgateway.tcpip.v1.Answer await(Future<dev.socketgateway.tcpip.v1.Answer> asked) throws InterruptedException {
        dev.socketgateway.tcpip.v1.Answer answer = get(asked);
        if (answer.hasError()) {
            throw GatewayException.from(answer.getError());
        }
        return answer;
    }

    /** A call of its own, once a stream is attached. An interrupt cancels it. */
    <Q, R> R call(MethodDescriptor<Q, R> method, Q request) throws InterruptedException {
        awaitAttached();
        Future<R> asked = start(method, request);
        try {
            return get(asked);
        } catch (InterruptedException interrupted) {
            asked.cancel(true);
            throw interrupted;
        }
    }

    <Q, R> Future<R> start(MethodDescriptor<Q, R> method, Q request) {
        return ClientCalls.futureUnaryCall(channel.newCall(method, CallOptions.DEFAULT), request);
    }

    /** A call whose outcome nobody needs; closing the Gateway waits for it. */
    <Q, R> Future<R> farewell(MethodDescriptor<Q, R> method, Q request) {
        Future<R> asked = start(method, request);
        synchronized (this) {
            farewells.removeIf(Future::isDone);
            farewells.add(asked);
        }
        return asked;
    }

    /** Waits for a farewell, not for long. */
    void hangUp(Future<?> farewell) {
        try {
            farewell.get(FAREWELL_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException | CancellationException unheard) {
            // What was to be closed is gone already, or the gateway is: its orphan timeout closes what is left.
        }
    }

    synchronized List<Future<?>> farewells() {
        return new ArrayList<>(farewells);
    }

    private static <R> R get(Future<R> asked) throws InterruptedException {
        try {
            return asked.get();
        } catch (ExecutionException failed) {
            throw GatewayException.from(failed.getCause());
        }
    }

    /** All sessions and listeners are gone. */
    private void loseAll(GatewayException why) {
        synchronized (this) {
            sessions.values().forEach(inbox -> inbox.lose(why));
            listeners.values().forEach(listener -> listener.lose(why));
            sessions.clear();
            listeners.clear();
            acks.clear();
            instance = null;
            notifyAll();
        }
    }

    /** Nothing works any more. */
    void end(GatewayException why) {
        synchronized (this) {
            if (ended != null) {
                return;
            }
            ended = why;
            interruptSends();
            if (up != null) {
                up.cancel("closed");
            }
            opening.values().forEach(inbox -> inbox.lose(why));
            opening.clear();
        }
        loseAll(why);
    }
}
