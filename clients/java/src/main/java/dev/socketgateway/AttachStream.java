package dev.socketgateway;

import dev.socketgateway.tcpip.v1.AttachRequest;
import dev.socketgateway.tcpip.v1.AttachResponse;
import dev.socketgateway.tcpip.v1.AttachSubscribe;
import dev.socketgateway.tcpip.v1.DeliveryMode;
import dev.socketgateway.tcpip.v1.Resume;
import dev.socketgateway.tcpip.v1.SocketGatewayServiceGrpc;
import dev.socketgateway.tcpip.v1.SubscribeRequest;
import io.grpc.CallOptions;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ClientResponseObserver;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** One Attach stream. */
final class AttachStream implements ClientResponseObserver<AttachRequest, AttachResponse> {
    private final Link link;
    private final CompletableFuture<Void> begun = new CompletableFuture<>();
    private ClientCallStreamObserver<AttachRequest> requests;

    private AttachStream(Link link) {
        this.link = link;
    }

    /** Attaches, and waits for the beginning, for as long as the patience says. */
    static void open(Link link, Resume resume, Duration heartbeat, Duration patience) throws InterruptedException {
        AttachStream stream = new AttachStream(link);
        SubscribeRequest.Builder subscription = SubscribeRequest.newBuilder()
                .setSubscriber(link.subscriber)
                .setHeartbeatInterval(Options.duration(heartbeat));
        if (resume != null) {
            subscription.setResume(resume);
        }
        ClientCalls.asyncBidiStreamingCall(link.channel.newCall(SocketGatewayServiceGrpc.getAttachMethod(), CallOptions.DEFAULT), stream);
        stream.send(AttachRequest.newBuilder()
                .setSubscribe(AttachSubscribe.newBuilder()
                        .setSubscription(subscription)
                        .setDeliveryMode(DeliveryMode.DELIVERY_MODE_ACKNOWLEDGED))
                .build());
        boolean done = false;
        try {
            stream.begun.get(patience.toMillis(), TimeUnit.MILLISECONDS);
            done = true;
        } catch (ExecutionException failed) {
            throw refused(failed.getCause());
        } catch (TimeoutException tooLong) {
            throw GatewayException.from(Status.UNAVAILABLE.withDescription("no answer within " + patience.toMillis() + " ms").asRuntimeException());
        } finally {
            if (!done) {
                stream.cancel("given up");
            }
        }
    }

    /**
     * Why it could not be opened. Where the other end is no gateway, or speaks TLS and this one does not, gRPC gives what it could not read a
     * code of its own making. To the caller it is all one: no gateway was reached.
     */
    private static GatewayException refused(Throwable failed) {
        GatewayException said = GatewayException.from(failed);
        boolean unread = said.reason() == Reason.UNSPECIFIED
                && (said.code() == Status.Code.INTERNAL || said.code() == Status.Code.UNKNOWN);
        return unread
                ? GatewayException.from(Status.UNAVAILABLE.withDescription(said.sentence()).withCause(failed).asRuntimeException())
                : said;
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<AttachRequest> observer) {
        requests = observer;
        observer.setOnReadyHandler(() -> {
            synchronized (link) {
                link.notifyAll();
            }
        });
    }

    @Override
    public void onNext(AttachResponse message) {
        if (begun.isDone()) {
            link.take(this, message);
        } else if (!message.hasStart()) {
            onError(Status.UNAVAILABLE.withDescription("the stream began without a start: is this a socket gateway?").asRuntimeException());
        } else {
            link.began(this, message.getStart());
            begun.complete(null);
            link.take(this, message);
        }
    }

    @Override
    public void onError(Throwable failed) {
        begun.completeExceptionally(failed);
        link.broke(this, failed);
    }

    @Override
    public void onCompleted() {
        onError(Status.UNAVAILABLE.withDescription("the gateway ended the stream").asRuntimeException());
    }

    boolean isReady() {
        return requests.isReady();
    }

    /** Not to be called by two threads at once. */
    void send(AttachRequest request) {
        requests.onNext(request);
    }

    void cancel(String why) {
        requests.cancel(why, null);
    }
}
