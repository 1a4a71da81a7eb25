package dev.socketgateway;

import dev.socketgateway.tcpip.v1.TcpConnectRequest;
import dev.socketgateway.tcpip.v1.TcpMode;
import dev.socketgateway.tcpip.v1.TimeoutAction;
import java.time.Duration;
import java.util.function.UnaryOperator;

/** How a TCP session behaves, for {@link Gateway#connect} and {@link Gateway#listen}. Immutable: every method gives a new one. */
public final class TcpOptions {
    final TcpConnectRequest request;
    final Terminator terminator;

    private TcpOptions(TcpConnectRequest request, Terminator terminator) {
        this.request = request;
        this.terminator = terminator;
    }

    /** {@return bytes as they come; texts are sent without a terminator} */
    public static TcpOptions binary() {
        return new TcpOptions(TcpConnectRequest.newBuilder().setMode(TcpMode.TCP_MODE_BINARY).build(), Terminator.NONE);
    }

    /** {@return what comes is split into lines at CR LF, LF or CR; texts are sent with LF} */
    public static TcpOptions lines() {
        return new TcpOptions(TcpConnectRequest.newBuilder().setMode(TcpMode.TCP_MODE_LINE).build(), Terminator.LF);
    }

    /**
     * Lines, collected until one of them matches, or the unfinished rest of one, as prompts are.
     *
     * @param pattern a regular expression of the Rust regex crate: no look-around, no back-references
     * @return the options
     */
    public static TcpOptions waitFor(String pattern) {
        return lines().with(request -> request.setWaitFor(pattern));
    }

    boolean isLines() {
        return request.getMode() == TcpMode.TCP_MODE_LINE;
    }

    private TcpOptions with(UnaryOperator<TcpConnectRequest.Builder> change) {
        return new TcpOptions(change.apply(request.toBuilder()).build(), terminator);
    }

    /**
     * What is appended to every text.
     *
     * @param terminator the terminator
     * @return the options
     */
    public TcpOptions terminator(Terminator terminator) {
        return new TcpOptions(request, terminator);
    }

    /**
     * After how much inactivity {@link Event.Kind#TIMEOUT} comes; without it, never.
     *
     * @param time at most a day
     * @return the options
     */
    public TcpOptions timeout(Duration time) {
        return with(request -> request.setTimeout(Options.duration(time)));
    }

    /**
     * Whether the session ends with its timeout; without it, accepted ones do, dialled ones do not.
     *
     * @param close whether it ends
     * @return the options
     */
    public TcpOptions closeOnTimeout(boolean close) {
        return with(request -> request.setOnTimeout(close ? TimeoutAction.TIMEOUT_ACTION_CLOSE : TimeoutAction.TIMEOUT_ACTION_KEEP));
    }

    /**
     * How long connecting may take; without it, the gateway's default (10 s).
     *
     * @param time at most 60 s
     * @return the options
     */
    public TcpOptions connectTimeout(Duration time) {
        return with(request -> request.setConnectTimeout(Options.duration(time)));
    }

    /** {@return connect answers at once; {@link Session#awaitConnected()} waits for the connection} */
    public TcpOptions noWait() {
        return with(request -> request.setNoWait(true));
    }

    /** {@return the session stays open for sending when the peer has ended its own direction} */
    public TcpOptions allowHalfOpen() {
        return with(request -> request.setAllowHalfOpen(true));
    }

    /**
     * How long the session may live when nobody is attached to it; without it, the gateway's default (5 min).
     *
     * @param time zero: for ever
     * @return the options
     */
    public TcpOptions orphanTimeout(Duration time) {
        return with(request -> request.setOrphanTimeout(Options.duration(time)));
    }

    /**
     * The session's id; without it, one is made up. Not for listeners.
     *
     * @param id at most 128 bytes
     * @return the options
     */
    public TcpOptions sessionId(String id) {
        return with(request -> request.setSessionId(id));
    }

    /**
     * An id for the call: a retry with the same one finds what the first has opened.
     *
     * @param id at most 128 bytes
     * @return the options
     */
    public TcpOptions requestId(String id) {
        return with(request -> request.setRequestId(id));
    }
}
