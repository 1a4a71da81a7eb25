package dev.socketgateway.conformance;

import static dev.socketgateway.conformance.Scenario.*;

import dev.socketgateway.CloseReason;
import dev.socketgateway.Exchange;
import dev.socketgateway.Gateway;
import dev.socketgateway.GatewayException;
import dev.socketgateway.GatewayOptions;
import dev.socketgateway.Listener;
import dev.socketgateway.Reason;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import dev.socketgateway.UdpOptions;
import dev.socketgateway.UdpSocket;
import dev.socketgateway.tcpip.v1.*;
import dev.socketgateway.tcpip.v1.Answer;
import io.grpc.Context;
import io.grpc.Status.Code;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;

/** Resume, back-pressure and what lives in the gateway. */
final class Streams {
    private static final int FLOOD = 67_108_864;

    private Streams() {}

    static void addTo(Map<String, Scenario.Body> all) {
        all.put("C60-resume", s -> {
            Relay relay = new Relay(s.far, s.gateway);
            Gateway g = s.open(relay.address, GatewayOptions.defaults());
            Session session = s.connect(g, "answers", TcpOptions.lines());
            session.send("one");
            hears(session, "re: one");
            relay.order("cut");
            s.say(session, "while away\r\n");
            hears(session, "while away");
            session.send("two");
            hears(session, "re: two");
            Gateway other = s.open();
            eventually("one stream is attached", () -> subscriber(other, g.subscriber()).getStreams() == 1);
            disconnected(session);
        });
        all.put("C61-resume-refused", s -> {
            Relay relay = new Relay(s.far, s.gateway);
            Session session = s.connect(s.open(relay.address, GatewayOptions.defaults()), "answers", TcpOptions.lines());
            session.send("one");
            hears(session, "re: one");
            int before = relay.order("relayed").get("accepted").getAsInt();
            relay.order("refuse");
            for (String text : List.of("a", "b", "c")) {
                s.say(session, text + "\r\n");
            }
            eventually("it has tried again", () -> relay.order("relayed").get("accepted").getAsInt() > before);
            relay.order("accept");
            hears(session, "a", "b", "c");
            session.send("end");
            hears(session, "re: end");
            disconnected(session);
        });
        all.put("C62-resume-in-a-flood", s -> {
            Relay relay = new Relay(s.far, s.gateway);
            Session session = s.connect(s.open(relay.address, GatewayOptions.defaults()), "source", TcpOptions.binary());
            session.send(utf8("10000000\n"));
            ByteArrayOutputStream received = new ByteArrayOutputStream();
            int cuts = 0;
            for (byte[] chunk : session.chunks()) {
                received.writeBytes(chunk);
                if (received.size() / 2_000_000 > cuts) {
                    cuts++;
                    relay.order("cut");
                }
            }
            isBytes(received.toByteArray(), pattern(10_000_000));
        });
        all.put("C63-restart", Streams::restart);
        all.put("C64-shutdown", s -> {
            GatewayProcess own = s.own();
            Session session = s.connect(s.open(own.address, GatewayOptions.defaults()), "silent", TcpOptions.lines());
            own.stop();
            ended(session, CloseReason.SHUTDOWN);
            is("the exit code", own.exitCode(), 0);
        });
        all.put("C70-slow-reader", s -> {
            Gateway g = s.open();
            Session session = flooded(s, g);
            stalled(s, g, session);
            int at = 0;
            for (byte[] chunk : session.chunks()) {
                for (byte one : chunk) {
                    check(one == (byte) (at % 251), "another byte at", at);
                    at++;
                }
            }
            is("bytes", at, FLOOD);
        });
        all.put("C71-slow-reader-alone", s -> {
            Gateway g = s.open();
            List<Session> sessions = List.of(flooded(s, g), flooded(s, g), flooded(s, g));
            for (Session session : sessions) {
                stalled(s, g, session);
            }
            hundredLines(s, g);
            for (Session session : sessions) {
                session.abort();
                session.close();
                ended(session, CloseReason.ABORT);
            }
        });
        all.put("C72-slow-peer", s -> {
            Gateway g = s.open();
            Session session = s.connect(g, "stuck", TcpOptions.binary());
            Future<?> sent = Sessions.later(() -> session.send(pattern(32 << 20)));
            eventually("a send waits", () -> look(g, session.id()).getQueuedSendBytes() > 0);
            hundredLines(s, g);
            session.abort();
            GatewayException failed = failureOf(sent);
            check(Set.of(Reason.SOCKET_NOT_CONNECTED, Reason.SESSION_NOT_CONNECTED, Reason.SESSION_NOT_FOUND).contains(failed.reason()), failed);
        });
        all.put("C90-lists", Streams::lists);
        all.put("C91-watch", Streams::watch);
        all.put("C92-plain-subscribe", Streams::plainSubscribe);
        all.put("C93-attach-commands", Streams::attachCommands);
        all.put("C94-close", s -> {
            Gateway g = s.open();
            Session session = s.connect(g, "silent", TcpOptions.binary());
            g.close();
            Gateway other = s.open();
            eventually("no stream is attached", () -> {
                Subscriber gone = subscriber(other, g.subscriber());
                return gone == null || gone.getStreams() == 0;
            });
            try {
                is("reading gives", session.nextChunk(), null);
            } catch (GatewayException closed) {
                check(!closed.getMessage().isEmpty(), "no text");
            }
        });
    }

    static GatewayException failureOf(Future<?> sent) throws InterruptedException {
        try {
            sent.get();
            throw new AssertionError("the send did not fail");
        } catch (ExecutionException failed) {
            return GatewayException.from(failed.getCause());
        }
    }

    private static void restart(Scenario s) throws Exception {
        GatewayProcess first = s.own();
        Relay relay = new Relay(s.far, first.address);
        Gateway g = s.open(relay.address, GatewayOptions.defaults());
        Session session = s.connect(g, "answers", TcpOptions.lines());
        Listener listener = g.listen("127.0.0.1", 0, TcpOptions.binary());
        relay.order("refuse");
        first.close();
        relay.target(s.own().address);
        relay.order("accept");
        fails(session::nextLine, Reason.INSTANCE_CHANGED, Code.FAILED_PRECONDITION);
        fails(listener::accept, Reason.INSTANCE_CHANGED, Code.FAILED_PRECONDITION);
        fails(() -> session.send("anybody?"), Reason.INSTANCE_CHANGED, Code.FAILED_PRECONDITION);
        Session anew = s.connect(g, "echo", TcpOptions.binary());
        anew.send(utf8("x"));
        isBytes(read(anew, 1), utf8("x"));
        disconnected(anew);
    }

    private static Session flooded(Scenario s, Gateway g) throws Exception {
        Session session = s.connect(g, "source", TcpOptions.binary());
        session.send(utf8(FLOOD + "\n"));
        return session;
    }

    /** Waits until a session's peer cannot send any more. */
    private static void stalled(Scenario s, Gateway g, Session session) throws Exception {
        eventually("reading is paused", () -> look(g, session.id()).getReadPaused());
        long before = -1;
        while (true) {
            long sent = s.lookFar(session).get("sent").getAsLong();
            check(sent < 32 << 20, sent, "bytes were sent to a reader that does not read");
            if (sent == before) {
                return;
            }
            before = sent;
            Thread.sleep(600);
        }
    }

    private static void hundredLines(Scenario s, Gateway g) throws Exception {
        Session session = s.connect(g, "answers", TcpOptions.lines());
        is("the match", session.exchange("first", Exchange.until("^re: ")).match().text(), "re: first");
        for (int i = 0; i < 100; i++) {
            session.send("line " + i);
            hears(session, "re: line " + i);
        }
        disconnected(session);
    }

    private static void lists(Scenario s) throws Exception {
        Gateway g = s.open();
        Listener listener = g.listen("127.0.0.1", 0, TcpOptions.binary());
        Session session = s.connect(g, "silent", TcpOptions.binary());
        UdpSocket udp = g.udpIn("127.0.0.1", 0, UdpOptions.binary());
        Map<String, dev.socketgateway.tcpip.v1.Session> found = new HashMap<>();
        String token = "";
        do {
            var page = sessions(g)
                    .listSessions(ListSessionsRequest.newBuilder().setSubscriber(g.subscriber()).setPageSize(1).setPageToken(token).build());
            check(page.getSessionsCount() <= 1, page.getSessionsCount(), "on a page of 1");
            page.getSessionsList().forEach(each -> found.put(each.getSessionId(), each));
            token = page.getNextPageToken();
        } while (!token.isEmpty());
        is("sessions", found.keySet(), Set.of(session.id(), udp.id()));
        is("the kind", found.get(session.id()).getKind(), SessionKind.SESSION_KIND_TCP_OUTBOUND);
        is("the state", found.get(session.id()).getState(), SessionState.SESSION_STATE_CONNECTED);
        is("the kind", found.get(udp.id()).getKind(), SessionKind.SESSION_KIND_UDP);
        is("the state", found.get(udp.id()).getState(), SessionState.SESSION_STATE_LISTENING);
        check(sessions(g).listListeners(ListListenersRequest.newBuilder().setPageSize(1000).build()).getListenersList().stream()
                .anyMatch(each -> each.getListenerId().equals(listener.id())), "the listener is not listed");
        Subscriber subscriber = subscriber(g, g.subscriber());
        check(subscriber.getStreams() == 1 && subscriber.getAcknowledged(), subscriber);
    }

    private static void watch(Scenario s) throws Exception {
        Gateway g = s.open();
        Session a = s.connect(g, "silent", TcpOptions.binary());
        Context.CancellableContext context = s.ends(Context.current().withCancellation());
        Iterator<WatchResponse> changes = context.call(() -> sessions(g).watch(WatchRequest.getDefaultInstance()));
        is("the first change", changes.next().getKind(), ChangeKind.CHANGE_KIND_SNAPSHOT_BEGIN);
        boolean seen = false;
        for (WatchResponse change = changes.next(); change.getKind() != ChangeKind.CHANGE_KIND_SNAPSHOT_END; change = changes.next()) {
            is("a change of the snapshot", change.getKind(), ChangeKind.CHANGE_KIND_ADDED);
            seen |= change.getSession().getSessionId().equals(a.id());
        }
        check(seen, "a was not seen");
        Session b = s.connect(g, "silent", TcpOptions.binary());
        is("b's first change", changeOf(changes, b), ChangeKind.CHANGE_KIND_ADDED);
        b.disconnect();
        ChangeKind kind = changeOf(changes, b);
        while (kind == ChangeKind.CHANGE_KIND_CHANGED) {
            kind = changeOf(changes, b);
        }
        is("b's last change", kind, ChangeKind.CHANGE_KIND_REMOVED);
    }

    private static ChangeKind changeOf(Iterator<WatchResponse> changes, Session session) {
        while (true) {
            WatchResponse change = changes.next();
            if (change.getSession().getSessionId().equals(session.id())) {
                return change.getKind();
            }
        }
    }

    static PayloadItem text(String text) {
        return PayloadItem.newBuilder().setText(text).build();
    }

    private static void plainSubscribe(Scenario s) throws Exception {
        Gateway g = s.open();
        String name = "plain-" + UUID.randomUUID();
        Context.CancellableContext context = s.ends(Context.current().withCancellation());
        Iterator<SubscribeResponse> stream =
                context.call(() -> sockets(g).subscribe(SubscribeRequest.newBuilder().setSubscriber(name).build()));
        stream.next();
        String id = sockets(g).tcpConnect(TcpConnectRequest.newBuilder().setHost(s.far.host).setPort(s.far.port("answers"))
                .setSubscriber(name).setMode(TcpMode.TCP_MODE_LINE).build()).getSessionId();
        sockets(g).tcpSend(TcpSendRequest.newBuilder().setSessionId(id).setLineTerminator(LineTerminator.LINE_TERMINATOR_LF)
                .addPayload(text("plain")).build());
        List<Envelope> seen = new ArrayList<>();
        while (seen.size() < 3) {
            seen.addAll(stream.next().getEnvelopesList());
        }
        List<Event> wanted = List.of(Event.EVENT_CONNECTING, Event.EVENT_CONNECTED, Event.EVENT_DATA);
        for (int i = 0; i < 3; i++) {
            is("an event", seen.get(i).getEvent(), wanted.get(i));
            is("its sequence", seen.get(i).getSequence(), i + 1L);
        }
        is("the line", seen.get(2).getData().getText(), "re: plain");
        sockets(g).tcpDisconnect(TcpDisconnectRequest.newBuilder().setSessionId(id).build());
        while (seen.get(seen.size() - 1).getEvent() != Event.EVENT_DISCONNECTED) {
            seen.addAll(stream.next().getEnvelopesList());
        }
        for (Envelope envelope : seen.subList(3, seen.size() - 1)) {
            is("an event", envelope.getEvent(), Event.EVENT_DISCONNECTING);
        }
    }

    /** What an Attach stream says. */
    private static final class Attached implements ClientResponseObserver<AttachRequest, AttachResponse> {
        private final LinkedBlockingQueue<AttachResponse> said = new LinkedBlockingQueue<>();

        @Override
        public void beforeStart(ClientCallStreamObserver<AttachRequest> requests) {
            // All of it may come.
        }

        @Override
        public void onNext(AttachResponse message) {
            said.add(message);
        }

        @Override
        public void onError(Throwable failed) {
            // Whoever waits runs out of patience.
        }

        @Override
        public void onCompleted() {
            // As above.
        }
    }

    private static void attachCommands(Scenario s) throws Exception {
        Gateway g = s.open();
        String name = "attached-" + UUID.randomUUID();
        Attached stream = new Attached();
        var requests = SocketGatewayServiceGrpc.newStub(g.channel()).attach(stream);
        requests.onNext(AttachRequest.newBuilder().setSubscribe(AttachSubscribe.newBuilder()
                .setSubscription(SubscribeRequest.newBuilder().setSubscriber(name))).build());
        check(stream.said.take().hasStart(), "no start");
        String id = sockets(g).tcpConnect(TcpConnectRequest.newBuilder().setHost(s.far.host).setPort(s.far.port("answers"))
                .setSubscriber(name).setMode(TcpMode.TCP_MODE_LINE).build()).getSessionId();
        TcpSendRequest send = TcpSendRequest.newBuilder().setSessionId(id).setLineTerminator(LineTerminator.LINE_TERMINATOR_LF)
                .addPayload(text("up")).build();
        requests.onNext(AttachRequest.newBuilder().setCorrelationId(11).setTcpSend(send).build());
        requests.onNext(AttachRequest.newBuilder().setCorrelationId(12).setUdpOut(UdpOutRequest.newBuilder()
                .setHost(s.far.host).setPort(s.far.port("udp_echo")).setPayload(text("up"))).build());
        requests.onNext(AttachRequest.newBuilder().setCorrelationId(13).setTcpSend(send.toBuilder().setSessionId("nobody")).build());
        requests.onNext(AttachRequest.newBuilder().setCorrelationId(14)
                .setTcpDisconnect(TcpDisconnectRequest.newBuilder().setSessionId(id)).build());
        Map<Long, Answer> answers = new HashMap<>();
        boolean over = false;
        while (answers.size() < 4 || !over) {
            AttachResponse message = stream.said.take();
            message.getAnswersList().forEach(answer -> answers.put(answer.getCorrelationId(), answer));
            over |= message.getEnvelopesList().stream().anyMatch(each -> each.getEvent() == Event.EVENT_DISCONNECTED);
        }
        is("the send's offset", answers.get(11L).getTcpSend().getWriteOffset(), 3L);
        is("the datagram's bytes", answers.get(12L).getUdpOut().getBytes(), 2);
        is("nobody's error", answers.get(13L).getError().getErrorCode(), "SESSION_NOT_FOUND");
        is("the disconnect's event", answers.get(14L).getTcpDisconnect().getEvent(), Event.EVENT_DISCONNECTING);
        requests.onCompleted();
    }
}
