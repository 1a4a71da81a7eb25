package dev.socketgateway;

import com.google.protobuf.ByteString;
import dev.socketgateway.tcpip.v1.PayloadItem;
import dev.socketgateway.tcpip.v1.SocketGatewayServiceGrpc;
import dev.socketgateway.tcpip.v1.TcpSendRequest;
import dev.socketgateway.tcpip.v1.TcpSendResponse;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.Future;
import java.util.concurrent.locks.ReentrantLock;

/** Sends of one session, in the order of their calls. */
final class Outbox {
    /** Sends are cut into pieces of at most this many bytes. */
    private static final int LARGEST_PIECE = 256 << 10;

    private final Link link;
    private final Inbox inbox;
    private final Terminator terminator;
    /** Held while a send takes its place in the stream. */
    private final ReentrantLock sending = new ReentrantLock(true);

    Outbox(Link link, Inbox inbox, Terminator terminator) {
        this.link = link;
        this.inbox = inbox;
        this.terminator = terminator;
    }

    /** Sends bytes, in pieces where they are many. */
    Sent send(byte[] bytes, int offset, int length) throws InterruptedException {
        TcpSendRequest request = request(SendOptions.none());
        int piece = (int) link.commands.piece(LARGEST_PIECE);
        Deque<Future<dev.socketgateway.tcpip.v1.Answer>> asked = new ArrayDeque<>();
        Sent last = null;
        sending.lockInterruptibly();
        try {
            int begin = 0;
            do {
                int size = Math.min(piece, length - begin);
                PayloadItem item = PayloadItem.newBuilder().setBytes(ByteString.copyFrom(bytes, offset + begin, size)).build();
                asked.add(link.commands.send(inbox, request.toBuilder().addPayload(item).build(), size));
                begin += size;
                while (!asked.isEmpty() && asked.peek().isDone()) {
                    last = sent(asked.remove());
                }
            } while (begin < length);
        } catch (SessionEndedException over) {
            // What was under way tells better what went wrong.
            while (!asked.isEmpty()) {
                sent(asked.remove());
            }
            throw over;
        } finally {
            sending.unlock();
        }
        while (!asked.isEmpty()) {
            last = sent(asked.remove());
        }
        return last;
    }

    /** Sends a payload as one. */
    Sent send(Payload payload, SendOptions options) throws InterruptedException {
        TcpSendRequest request = request(options).toBuilder().addAllPayload(payload.items).build();
        long size = payload.size(options.terminator == null ? terminator : options.terminator);
        Future<dev.socketgateway.tcpip.v1.Answer> asked;
        sending.lockInterruptibly();
        try {
            asked = link.commands.send(inbox, request, size);
            if (asked == null) {
                // Larger than any credit. Nothing of this session is under way, so a call of its own keeps the order.
                return sent(link.calls.call(SocketGatewayServiceGrpc.getTcpSendMethod(), request));
            }
        } finally {
            sending.unlock();
        }
        return sent(asked);
    }

    private TcpSendRequest request(SendOptions options) {
        return options.request.toBuilder()
                .setSessionId(inbox.id)
                .setLineTerminator((options.terminator == null ? terminator : options.terminator).proto)
                .setSubscriber(options.claims ? link.subscriber : "")
                .build();
    }

    private static Sent sent(Future<dev.socketgateway.tcpip.v1.Answer> asked) throws InterruptedException {
        return sent(Commands.await(asked).getTcpSend());
    }

    private static Sent sent(TcpSendResponse said) {
        return new Sent(said.getMessageId(), said.getChunkCount(), said.getWriteOffset());
    }
}
