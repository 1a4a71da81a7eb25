package dev.socketgateway;

import io.grpc.CallOptions;
import io.grpc.MethodDescriptor;
import io.grpc.stub.ClientCalls;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Calls beside the stream, and those whose outcome nobody needs. */
final class Calls {
    /** How long a last word may take. */
    private static final int FAREWELL_SECONDS = 5;

    private final Link link;
    private final List<Future<?>> farewells = new ArrayList<>();

    Calls(Link link) {
        this.link = link;
    }

    /** A call of its own, once a stream is attached. An interrupt cancels it. */
    <Q, R> R call(MethodDescriptor<Q, R> method, Q request) throws InterruptedException {
        link.awaitAttached();
        Future<R> asked = start(method, request);
        try {
            return get(asked);
        } catch (InterruptedException interrupted) {
            asked.cancel(true);
            throw interrupted;
        }
    }

    private <Q, R> Future<R> start(MethodDescriptor<Q, R> method, Q request) {
        return ClientCalls.futureUnaryCall(link.channel.newCall(method, CallOptions.DEFAULT), request);
    }

    /** A call whose outcome nobody needs; closing the Gateway waits for it. */
    synchronized <Q, R> Future<R> farewell(MethodDescriptor<Q, R> method, Q request) {
        Future<R> asked = start(method, request);
        farewells.removeIf(Future::isDone);
        farewells.add(asked);
        return asked;
    }

    synchronized List<Future<?>> farewells() {
        return new ArrayList<>(farewells);
    }

    /** Waits for a farewell, not for long. */
    static void hangUp(Future<?> farewell) {
        try {
            farewell.get(FAREWELL_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException | CancellationException unheard) {
            // What was to be closed is gone already, or the gateway is: its orphan timeout closes what is left.
        }
    }

    static <R> R get(Future<R> asked) throws InterruptedException {
        try {
            return asked.get();
        } catch (ExecutionException failed) {
            throw GatewayException.from(failed.getCause());
        }
    }
}
