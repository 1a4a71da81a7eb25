package dev.socketgateway;

import dev.socketgateway.tcpip.v1.TcpExchangeRequest;
import dev.socketgateway.tcpip.v1.UnansweredAction;
import java.time.Duration;
import java.util.function.UnaryOperator;

/** How an exchange goes. Immutable: every method gives a new one. */
public final class Exchange {
    final TcpExchangeRequest request;

    private Exchange(TcpExchangeRequest request) {
        this.request = request;
    }

    /** {@return the answer is whatever comes next: a line, or what one read brings in binary mode} */
    public static Exchange oneFrame() {
        return new Exchange(TcpExchangeRequest.getDefaultInstance());
    }

    /**
     * The answer is complete when a line matches, or the unfinished rest of one.
     *
     * @param pattern a regular expression of the Rust regex crate
     * @return the exchange
     */
    public static Exchange until(String pattern) {
        return oneFrame().with(request -> request.setWaitFor(pattern));
    }

    private Exchange with(UnaryOperator<TcpExchangeRequest.Builder> change) {
        return new Exchange(change.apply(request.toBuilder()).build());
    }

    /**
     * How long it may take, the wait for the turn included; without it, the gateway's default (30 s).
     *
     * @param time at most 10 min
     * @return the exchange
     */
    public Exchange timeout(Duration time) {
        return with(request -> request.setTimeout(Options.duration(time)));
    }

    /**
     * How long the turn is kept for a late answer; without it, the gateway's default (10 s).
     *
     * @param time at most 10 min
     * @return the exchange
     */
    public Exchange settleTimeout(Duration time) {
        return with(request -> request.setSettleTimeout(Options.duration(time)));
    }

    /** {@return the session is aborted when no answer comes, so that nobody can take a late one for another} */
    public Exchange abortUnanswered() {
        return with(request -> request.setOnUnanswered(UnansweredAction.UNANSWERED_ACTION_ABORT));
    }
}
