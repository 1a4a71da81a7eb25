package dev.socketgateway;

import com.google.protobuf.ByteString;
import dev.socketgateway.tcpip.v1.ClaimDataRequest;
import dev.socketgateway.tcpip.v1.GetSessionRequest;
import dev.socketgateway.tcpip.v1.SessionServiceGrpc;
import dev.socketgateway.tcpip.v1.SocketGatewayServiceGrpc;
import dev.socketgateway.tcpip.v1.TcpDisconnectRequest;
import dev.socketgateway.tcpip.v1.TcpExchangeRequest;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayDeque;

/**
 * A TCP connection of the gateway. Its methods may be called by several threads; of several readers each piece of data goes to one.
 *
 * <p>Methods that wait can be interrupted. What a send was given may be written all the same; a read loses nothing.
 */
public final class Session implements AutoCloseable {
    private final Link link;
    private final Inbox inbox;
    private final Outbox outbox;
    private final Terminator terminator;
    private final boolean isLines;
    private final boolean adopted;
    private volatile Duration readTimeout = Duration.ZERO;
    /** Lines that came together and are asked for one by one; guarded by itself, as is the reading of lines. */
    private final ArrayDeque<Line> lines = new ArrayDeque<>();

    Session(Link link, Inbox inbox, Terminator terminator, boolean isLines, boolean adopted) {
        this.link = link;
        this.inbox = inbox;
        this.outbox = new Outbox(link, inbox, terminator);
        this.terminator = terminator;
        this.isLines = isLines;
        this.adopted = adopted;
    }

    /** {@return its id in the gateway} */
    public String id() {
        return inbox.id;
    }

    /** {@return the gateway's end of the connection; null where it is not known: not connected yet, or opened by another program} */
    public InetSocketAddress localAddress() {
        return inbox.local();
    }

    /** {@return the peer; null where it is not known} */
    public InetSocketAddress remoteAddress() {
        return inbox.remote();
    }

    /**
     * Waits for the connection, where {@link TcpOptions#noWait()} was given.
     *
     * @throws GatewayException how it ended instead
     * @throws InterruptedException where the thread was interrupted
     */
    public void awaitConnected() throws InterruptedException {
        inbox.awaitConnected();
    }

    /**
     * Sends texts, the session's terminator after each, together; otherwise as {@link #send(Payload, SendOptions)}.
     *
     * @param texts the texts
     * @return what the gateway says of it
     * @throws InterruptedException where the thread was interrupted
     */
    public Sent send(String... texts) throws InterruptedException {
        return send(Payload.text(texts), SendOptions.none());
    }

    /**
     * Sends bytes, in pieces where they are many, and nothing of another send in between; otherwise as {@link #send(Payload, SendOptions)}.
     *
     * @param bytes the bytes
     * @return what the gateway says of the last piece
     * @throws InterruptedException where the thread was interrupted
     */
    public Sent send(byte[] bytes) throws InterruptedException {
        return send(bytes, 0, bytes.length);
    }

    Sent send(byte[] bytes, int offset, int length) throws InterruptedException {
        return outbox.send(bytes, offset, length);
    }

    /**
     * Sends, and waits until the gateway's operating system has taken it.
     *
     * @param payload what to send: an item is written whole or not at all
     * @param options how
     * @return what the gateway says of it
     * @throws SessionEndedException where the session has ended
     * @throws UncertainException where the stream broke before the answer
     * @throws GatewayException what the gateway says
     * @throws InterruptedException where the thread was interrupted
     */
    public Sent send(Payload payload, SendOptions options) throws InterruptedException {
        return outbox.send(payload, options);
    }

    /**
     * Sends a text with the session's terminator and gives the answer; otherwise as {@link #exchange(Payload, Exchange)}.
     *
     * @param text the text
     * @param how when the answer is complete
     * @return the answer
     * @throws InterruptedException where the thread was interrupted
     */
    public Answer exchange(String text, Exchange how) throws InterruptedException {
        return exchange(Payload.text(text), how);
    }

    /**
     * Sends and gives the answer, with the session's turn: no other caller's answer gets in between.
     *
     * @param payload what to send; {@link Payload#none()}: wait for what the peer says by itself, as a greeting
     * @param how when the answer is complete
     * @return the answer
     * @throws TimedOutException where there was none in time
     * @throws GatewayException what the gateway says
     * @throws InterruptedException where the thread was interrupted; the exchange is given up
     */
    public Answer exchange(Payload payload, Exchange how) throws InterruptedException {
        TcpExchangeRequest request = how.request.toBuilder()
                .setSessionId(inbox.id)
                .addAllPayload(payload.items)
                .setLineTerminator(terminator.proto)
                .setSubscriber(link.subscriber)
                .build();
        return Answer.of(link.calls.call(SocketGatewayServiceGrpc.getTcpExchangeMethod(), request));
    }

    /**
     * Makes the session's data come to this client, without sending anything.
     *
     * @return the name of who got it before
     * @throws InterruptedException where the thread was interrupted
     */
    public String claim() throws InterruptedException {
        ClaimDataRequest request = ClaimDataRequest.newBuilder().setSessionId(inbox.id).setSubscriber(link.subscriber).build();
        return link.calls.call(SessionServiceGrpc.getClaimDataMethod(), request).getPreviousSubscriber();
    }

    /**
     * Lets all that wait for the peer ({@code next…}, the loops, the streams) wait no longer than this from now on, and then throw a
     * {@link TimedOutException}. Nothing is lost by that: the next call may go on waiting.
     *
     * @param patience zero: for ever, as in the beginning
     */
    public void readTimeout(Duration patience) {
        if (patience.isNegative()) {
            throw new IllegalArgumentException("a timeout of " + patience + " is over before it begins; zero waits for ever");
        }
        readTimeout = patience;
    }

    private Deadline deadline() {
        Duration patience = readTimeout;
        return patience.isZero() ? Deadline.NEVER : Deadline.in(patience);
    }

    /**
     * Waits for data, whatever it is.
     *
     * @return the data; null when the peer has ended or the session was closed in order
     * @throws SessionEndedException where it ended otherwise
     * @throws GatewayRestartedException where the gateway lost it
     * @throws InterruptedException where the thread was interrupted
     */
    public Data next() throws InterruptedException {
        Inbox.Taken taken = inbox.next(deadline());
        link.routes.ack(inbox.id, taken.due());
        return taken.data();
    }

    /**
     * Waits for the next bytes of a binary session; otherwise as {@link #next()}.
     *
     * @return the bytes; null at the end
     * @throws IllegalStateException where the session is in line mode
     * @throws InterruptedException where the thread was interrupted
     */
    public byte[] nextChunk() throws InterruptedException {
        if (isLines) {
            throw new IllegalStateException("this session is in line mode: use nextLine, nextMatch or next");
        }
        Data data = next();
        if (data == null) {
            return null;
        }
        if (data instanceof Data.Chunk chunk) {
            return chunk.bytes();
        }
        throw new IllegalStateException("this is no chunk: use next");
    }

    /**
     * Waits for the next line as text; otherwise as {@link #nextRawLine()}.
     *
     * @return the line, with U+FFFD for what is not UTF-8; null at the end
     * @throws InterruptedException where the thread was interrupted
     */
    public String nextLine() throws InterruptedException {
        Line line = nextRawLine();
        return line == null ? null : line.text();
    }

    /**
     * Waits for the next line of a session in line mode. A match gives its lines one by one; otherwise as {@link #next()}.
     *
     * @return the line; null at the end
     * @throws IllegalStateException where the session is in binary mode
     * @throws InterruptedException where the thread was interrupted
     */
    public Line nextRawLine() throws InterruptedException {
        if (!isLines) {
            throw new IllegalStateException("this session is in binary mode: use nextChunk or next");
        }
        synchronized (lines) {
            while (lines.isEmpty()) {
                Data data = next();
                if (data == null) {
                    return null;
                }
                if (data instanceof Data.TextLine line) {
                    return line.line();
                }
                if (data instanceof Data.Chunk chunk) {
                    // Not every line is UTF-8.
                    return new Line(ByteString.copyFrom(chunk.bytes()));
                }
                if (data instanceof Match match) {
                    lines.addAll(match.lines());
                    if (match.match() != null) {
                        lines.add(match.match());
                    }
                }
            }
            return lines.remove();
        }
    }

    /**
     * Waits for the next match of a session with {@code waitFor}; otherwise as {@link #next()}.
     *
     * @return the match, or lines that were handed over without one; null at the end
     * @throws IllegalStateException where the session has no {@code waitFor}
     * @throws InterruptedException where the thread was interrupted
     */
    public Match nextMatch() throws InterruptedException {
        Data data = next();
        if (data == null) {
            return null;
        }
        if (data instanceof Match match) {
            return match;
        }
        throw new IllegalStateException("this session has no waitFor: use nextLine, nextChunk or next");
    }

    /** {@return all lines as they come, to the end, for a loop or as a stream} */
    public Received<String> lines() {
        return new Received<>(this::nextLine);
    }

    /** {@return all bytes as they come, to the end, for a loop or as a stream} */
    public Received<byte[]> chunks() {
        return new Received<>(this::nextChunk);
    }

    /** {@return all matches as they come, to the end, for a loop or as a stream} */
    public Received<Match> matches() {
        return new Received<>(this::nextMatch);
    }

    /** {@return all events as they come, to the end, for a loop or as a stream} */
    public Received<Event> events() {
        return new Received<>(this::nextEvent);
    }

    /**
     * Waits for an event. Events come beside the data and not in step with its reading; the last 64 are kept.
     *
     * @return the event; null after the last
     * @throws InterruptedException where the thread was interrupted
     */
    public Event nextEvent() throws InterruptedException {
        return inbox.nextEvent(deadline());
    }

    /**
     * Asks the gateway how many bytes it has written to the peer.
     *
     * @return the outbound byte count
     * @throws InterruptedException where the thread was interrupted
     */
    public long writeOffset() throws InterruptedException {
        GetSessionRequest request = GetSessionRequest.newBuilder().setSessionId(inbox.id).build();
        return link.calls.call(SessionServiceGrpc.getGetSessionMethod(), request).getSession().getBytesSent();
    }

    /**
     * Ends the connection in order: what was sent is still written, then FIN. What has come can still be read. That it has ended already is no
     * error.
     *
     * @throws InterruptedException where the thread was interrupted
     */
    public void disconnect() throws InterruptedException {
        end(false);
    }

    /**
     * Cuts the connection (RST); otherwise as {@link #disconnect()}.
     *
     * @throws InterruptedException where the thread was interrupted
     */
    public void abort() throws InterruptedException {
        end(true);
    }

    private void end(boolean abort) throws InterruptedException {
        if (inbox.isOver()) {
            return;
        }
        try {
            TcpDisconnectRequest request = TcpDisconnectRequest.newBuilder().setSessionId(inbox.id).setAbort(abort).build();
            link.calls.call(SocketGatewayServiceGrpc.getTcpDisconnectMethod(), request);
        } catch (SessionNotFoundException over) {
            // Its last envelope is on the way.
        }
    }

    /**
     * Waits for the end. Data that is not read holds it up: a session ends after its last byte.
     *
     * @return how it ended
     * @throws GatewayRestartedException where the gateway lost it
     * @throws InterruptedException where the thread was interrupted
     */
    public Closed closed() throws InterruptedException {
        return inbox.closed(Deadline.NEVER);
    }

    /**
     * Waits for the end, but not for ever; otherwise as {@link #closed()}.
     *
     * @param patience for how long
     * @return how it ended
     * @throws TimedOutException where it has not ended in time
     * @throws InterruptedException where the thread was interrupted
     */
    public Closed closed(Duration patience) throws InterruptedException {
        return inbox.closed(Deadline.in(patience));
    }

    /** {@return whether the gateway still has it, as far as is known here} */
    public boolean isOpen() {
        return !inbox.isOver();
    }

    /**
     * The binary session as Java's own socket, for code that takes one.
     *
     * @return the connected socket; closing it closes the session
     * @throws IOException where the session is over
     * @see Gateway#socketFactory()
     */
    public Socket socket() throws IOException {
        return SessionSocket.over(this);
    }

    /** {@return the bytes of a binary session as they come; its end is that of the stream, and closing it closes the session} */
    public InputStream inputStream() {
        return new SessionInputStream(this);
    }

    /** {@return what is written is sent; put a {@link java.io.BufferedOutputStream} before it where writes are small. Closing it closes the session} */
    public OutputStream outputStream() {
        return new SessionOutputStream(this);
    }

    /**
     * Closes the connection in order, and lets go of what has not been read. It does not wait. A session that another program has opened stays
     * open.
     */
    @Override
    public void close() {
        close(false);
    }

    /** Closes without waiting, in order or by RST. */
    void close(boolean abort) {
        boolean over = inbox.isOver();
        link.routes.ack(inbox.id, inbox.discard());
        if (!over && !adopted) {
            TcpDisconnectRequest request = TcpDisconnectRequest.newBuilder().setSessionId(inbox.id).setAbort(abort).build();
            link.calls.farewell(SocketGatewayServiceGrpc.getTcpDisconnectMethod(), request);
        }
        if (adopted) {
            link.routes.forget(inbox);
        }
    }

    @Override
    public String toString() {
        return "Session[" + inbox.id + "]";
    }
}
