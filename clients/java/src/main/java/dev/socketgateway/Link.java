package dev.socketgateway;

import dev.socketgateway.tcpip.v1.Ack;
import dev.socketgateway.tcpip.v1.AttachRequest;
import dev.socketgateway.tcpip.v1.AttachResponse;
import dev.socketgateway.tcpip.v1.Envelope;
import dev.socketgateway.tcpip.v1.Resume;
import dev.socketgateway.tcpip.v1.StreamStart;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import java.time.Duration;

/**
 * The one Attach stream of a Gateway, which comes back when it breaks. {@link Routes} sorts what comes down, {@link Commands} knows what goes
 * up, {@link Calls} makes the calls beside it.
 *
 * <p>The stream is in acknowledged mode: the gateway keeps what is not acked, so a stream that breaks is resumed without a gap. It is resumed
 * from the beginning of what is not acked; what has come already is known by its sequence.
 *
 * <p>Everything is guarded by this object's monitor, what {@link Routes} and {@link Commands} hold too.
 */
final class Link {
    private static final Duration FIRST_REST = Duration.ofMillis(20);
    private static final Duration LONGEST_REST = Duration.ofSeconds(2);
    /** How long one attempt to attach may take, where the whole patience is not shorter. */
    private static final Duration LONGEST_ATTEMPT = Duration.ofSeconds(20);
    /** How many heartbeats may be missing. */
    private static final int MISSING_HEARTBEATS = 3;

    final Channel channel;
    final String subscriber;
    final Routes routes = new Routes(this);
    final Commands commands = new Commands(this);
    final Calls calls = new Calls(this);
    private final ManagedChannel connection;
    private final Duration heartbeat;
    private final Duration patience;
    private final Duration attempt;

    private AttachStream up;
    private String instance;
    private String epoch;
    private long lastHeard;
    private GatewayException broken;
    private GatewayException ended;

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
            if (up.isReady()) {
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
        Ack ack = routes.takeAcks();
        if (ack != null) {
            up.send(AttachRequest.newBuilder().setAck(ack).build());
        }
    }

    private void comeBack() throws InterruptedException {
        long until = System.nanoTime() + patience.toNanos();
        Duration rest = FIRST_REST;
        GatewayException why = broken();
        while (!isFinal(why) && System.nanoTime() < until && !isEnded()) {
            try {
                connection.resetConnectBackoff();
                AttachStream.open(this, resume(), heartbeat, attempt);
                return;
            } catch (GatewayRestartedException changed) {
                forgotten(changed);
                continue;
            } catch (GatewayException failed) {
                why = failed;
            }
            Thread.sleep(rest.toMillis());
            rest = rest.multipliedBy(2).compareTo(LONGEST_REST) > 0 ? LONGEST_REST : rest.multipliedBy(2);
        }
        end(why);
    }

    private synchronized GatewayException broken() {
        return broken;
    }

    private synchronized boolean isEnded() {
        return ended != null;
    }

    /** What the gateway needs in order to go on with the stream before; null where it has forgotten it. */
    private synchronized Resume resume() {
        return instance == null ? null : Resume.newBuilder().setInstanceId(instance).setEpoch(epoch).build();
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
            routes.restart();
        }
        instance = start.getInstanceId();
        epoch = start.getEpoch();
        commands.restart(start.getSendCredit());
        up = stream;
        lastHeard = System.nanoTime();
        notifyAll();
    }

    synchronized void take(AttachStream stream, AttachResponse message) {
        if (up != stream) {
            return;
        }
        lastHeard = System.nanoTime();
        for (Envelope envelope : message.getEnvelopesList()) {
            routes.deliver(envelope);
            if (Routes.isLast(envelope)) {
                commands.forget(envelope.getSessionId());
            }
        }
        commands.take(message);
        notifyAll();
    }

    synchronized void broke(AttachStream stream, Throwable why) {
        if (up != stream) {
            return;
        }
        up = null;
        broken = GatewayException.from(why);
        commands.interrupt();
        notifyAll();
    }

    // What the rest of the client asks for.

    synchronized boolean isAttached() {
        return up != null && ended == null;
    }

    /** Waits until a stream is attached, so that what is opened is opened in the gateway that is listened to. */
    synchronized AttachStream awaitAttached() throws InterruptedException {
        while (up == null || ended != null) {
            if (ended != null) {
                throw ended.again();
            }
            wait();
        }
        return up;
    }

    /** The gateway has forgotten this client: all sessions and listeners are gone. */
    private synchronized void forgotten(GatewayException why) {
        instance = null;
        routes.loseAll(why);
        notifyAll();
    }

    /** Nothing works any more. */
    synchronized void end(GatewayException why) {
        if (ended != null) {
            return;
        }
        ended = why;
        commands.interrupt();
        if (up != null) {
            up.cancel("closed");
        }
        routes.close(why);
        notifyAll();
    }
}
