package dev.socketgateway;

import dev.socketgateway.tcpip.v1.AttachRequest;
import dev.socketgateway.tcpip.v1.AttachResponse;
import dev.socketgateway.tcpip.v1.TcpSendRequest;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.function.Supplier;

/** What goes up the stream: commands, which wait for their answers, and how much each session may send. Guarded by the monitor of the {@link Link}. */
final class Commands {
    private final Link link;
    private final Map<Long, Waiting> answers = new HashMap<>();
    private final Map<String, Credit> credits = new HashMap<>();
    private long lastId;
    private long firstCredit;

    private record Waiting(String session, CompletableFuture<dev.socketgateway.tcpip.v1.Answer> answer) {}

    /** What one session may send on this stream. */
    private static final class Credit {
        private long sent;
        private long limit;
        private int open;
    }

    Commands(Link link) {
        this.link = link;
    }

    // For the link, which holds its monitor.

    /** A stream begins, and each session has so much credit on it. */
    void restart(long credit) {
        firstCredit = credit;
        credits.clear();
    }

    void take(AttachResponse message) {
        message.getAnswersList().forEach(this::answered);
        message.getCreditsList().forEach(renewed -> {
            Credit credit = credit(renewed.getSessionId());
            credit.limit = Math.max(credit.limit, renewed.getSendLimit());
        });
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

    /** A session has ended. */
    void forget(String session) {
        credits.remove(session);
    }

    /** The stream broke: nobody knows what became of what was under way. */
    void interrupt() {
        List<Waiting> lost = new ArrayList<>(answers.values());
        answers.clear();
        credits.clear();
        lost.forEach(waiting -> waiting.answer().completeExceptionally(new UncertainException(new GatewayException.Failure(
                Status.Code.UNAVAILABLE,
                Reason.UNSPECIFIED,
                "the stream to the gateway broke before the answer came: whether it was written is not known"))));
    }

    // For the rest of the client.

    /** How much may always be sent at once. */
    long piece(int largest) {
        synchronized (link) {
            return firstCredit == 0 ? largest : Math.max(1, Math.min(largest, firstCredit / 2));
        }
    }

    /**
     * Puts a send on the stream as soon as the session has the credit for it. Null where no credit is large enough, once nothing of the session
     * is under way.
     */
    Future<dev.socketgateway.tcpip.v1.Answer> send(Inbox inbox, TcpSendRequest request, long size) throws InterruptedException {
        synchronized (link) {
            while (true) {
                AttachStream stream = link.awaitAttached();
                inbox.checkOpen();
                Credit credit = credit(inbox.id);
                if (size > firstCredit && credit.open == 0) {
                    return null;
                }
                if (size <= firstCredit && credit.sent + size <= credit.limit && stream.isReady()) {
                    credit.sent += size;
                    credit.open++;
                    return put(stream, inbox.id, AttachRequest.newBuilder().setTcpSend(request));
                }
                link.wait();
            }
        }
    }

    /** Puts a command on the stream that needs no credit. */
    Future<dev.socketgateway.tcpip.v1.Answer> command(Supplier<AttachRequest.Builder> request) throws InterruptedException {
        synchronized (link) {
            AttachStream stream = link.awaitAttached();
            while (!stream.isReady()) {
                link.wait();
                stream = link.awaitAttached();
            }
            return put(stream, null, request.get());
        }
    }

    private Future<dev.socketgateway.tcpip.v1.Answer> put(AttachStream stream, String session, AttachRequest.Builder request) {
        CompletableFuture<dev.socketgateway.tcpip.v1.Answer> answer = new CompletableFuture<>();
        lastId++;
        answers.put(lastId, new Waiting(session, answer));
        stream.send(request.setCorrelationId(lastId).build());
        return answer;
    }

    /** The answer of a command, or its error. */
    static dev.socketgateway.tcpip.v1.Answer await(Future<dev.socketgateway.tcpip.v1.Answer> asked) throws InterruptedException {
        dev.socketgateway.tcpip.v1.Answer answer = Calls.get(asked);
        if (answer.hasError()) {
            throw GatewayException.from(answer.getError());
        }
        return answer;
    }
}
