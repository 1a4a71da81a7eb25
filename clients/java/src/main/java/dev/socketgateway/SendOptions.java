package dev.socketgateway;

import dev.socketgateway.tcpip.v1.TcpSendRequest;
import java.time.Duration;
import java.util.function.UnaryOperator;

/** How a send goes. Immutable: every method gives a new one. */
public final class SendOptions {
    final TcpSendRequest request;
    final Terminator terminator;
    final boolean claims;

    private SendOptions(TcpSendRequest request, Terminator terminator, boolean claims) {
        this.request = request;
        this.terminator = terminator;
        this.claims = claims;
    }

    /** {@return the session's terminator; the answer comes to this client} */
    public static SendOptions none() {
        return new SendOptions(TcpSendRequest.getDefaultInstance(), null, true);
    }

    private SendOptions with(UnaryOperator<TcpSendRequest.Builder> change) {
        return new SendOptions(change.apply(request.toBuilder()).build(), terminator, claims);
    }

    /**
     * Another terminator than the session's.
     *
     * @param terminator the terminator
     * @return the options
     */
    public SendOptions terminator(Terminator terminator) {
        return new SendOptions(request, terminator, claims);
    }

    /** {@return the answer goes to whoever got the data before} */
    public SendOptions leaveClaim() {
        return new SendOptions(request, terminator, false);
    }

    /**
     * Line mode: lines are collected from now on until one matches.
     *
     * @param pattern the pattern; empty: no more
     * @return the options
     */
    public SendOptions waitFor(String pattern) {
        return with(request -> request.setWaitFor(pattern));
    }

    /**
     * The session's inactivity timeout from now on.
     *
     * @param time zero: none
     * @return the options
     */
    public SendOptions timeout(Duration time) {
        return with(request -> request.setTimeout(Options.duration(time)));
    }

    /**
     * Write only where the session's outbound byte count is this: so a retry after a lost answer is refused instead of doubled.
     *
     * @param offset {@link Sent#writeOffset()} of the send before
     * @return the options
     */
    public SendOptions expectOffset(long offset) {
        return with(request -> request.setExpectedWriteOffset(offset));
    }

    /** {@return {@link Event.Kind#SENT} comes when the operating system has taken it} */
    public SendOptions emitSent() {
        return with(request -> request.setEmitSent(true));
    }
}
