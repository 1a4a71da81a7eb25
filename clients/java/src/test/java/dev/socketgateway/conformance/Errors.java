package dev.socketgateway.conformance;

import static dev.socketgateway.conformance.Scenario.*;

import dev.socketgateway.Answer;
import dev.socketgateway.CloseReason;
import dev.socketgateway.ConnectFailedException;
import dev.socketgateway.DatagramOptions;
import dev.socketgateway.Event;
import dev.socketgateway.Exchange;
import dev.socketgateway.Gateway;
import dev.socketgateway.GatewayException;
import dev.socketgateway.GatewayOptions;
import dev.socketgateway.GatewayUnreachableException;
import dev.socketgateway.Payload;
import dev.socketgateway.Reason;
import dev.socketgateway.SendOptions;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import dev.socketgateway.UdpOptions;
import dev.socketgateway.tcpip.v1.ListSessionsRequest;
import dev.socketgateway.tcpip.v1.Resume;
import dev.socketgateway.tcpip.v1.StreamStart;
import dev.socketgateway.tcpip.v1.SubscribeRequest;
import dev.socketgateway.tcpip.v1.SubscribeResponse;
import dev.socketgateway.tcpip.v1.TcpConnectRequest;
import dev.socketgateway.tcpip.v1.TcpDisconnectRequest;
import dev.socketgateway.tcpip.v1.TcpSendRequest;
import dev.socketgateway.tcpip.v1.TcpUnlistenRequest;
import io.grpc.Context;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

/** Every error code. */
final class Errors {
    private Errors() {}

    static void addTo(Map<String, Scenario.Body> all) {
        all.put("E01-connect-invalid", s -> {
            Gateway g = s.open();
            violates(fails(() -> g.connect("", 70000, TcpOptions.binary()), Reason.CONNECT_INVALID, Code.INVALID_ARGUMENT), "host", "port");
        });
        all.put("E02-session-id-conflict", s -> {
            Gateway g = s.open();
            TcpOptions options = TcpOptions.binary().sessionId("conflict-" + UUID.randomUUID());
            Session session = s.connect(g, "silent", options);
            fails(() -> s.connect(g, "silent", options), Reason.SESSION_ID_CONFLICT, Code.ALREADY_EXISTS, "sessionId");
            disconnected(session);
        });
        all.put("E03-connect-failed", s -> {
            Gateway g = s.open();
            GatewayException failed = fails(() -> s.connect(g, "refused", TcpOptions.binary()),
                    Reason.CONNECT_FAILED, Code.FAILED_PRECONDITION, "host", "port", "sessionId");
            is("errno", ((ConnectFailedException) failed).errno(), "ECONNREFUSED");
            fails(() -> g.connect("nobody.invalid", 1, TcpOptions.binary()), Reason.CONNECT_FAILED, Code.FAILED_PRECONDITION);
        });
        all.put("E04-listen-invalid", s -> {
            Gateway g = s.open();
            violates(fails(() -> g.listen("", 70000, TcpOptions.binary()), Reason.LISTEN_INVALID, Code.INVALID_ARGUMENT), "port");
        });
        all.put("E05-server-error", s -> {
            Gateway g = s.open();
            GatewayException failed = fails(() -> g.listen("127.0.0.1", s.far.port("echo"), TcpOptions.binary()),
                    Reason.SERVER_ERROR, Code.FAILED_PRECONDITION);
            is("errno", failed.metadata().get("errno"), "EADDRINUSE");
        });
        all.put("E06-session-not-found", s -> {
            Gateway g = s.open();
            fails(() -> g.session("nobody"), Reason.SESSION_NOT_FOUND, Code.NOT_FOUND, "sessionId");
            var send = TcpSendRequest.newBuilder().setSessionId("nobody").addPayload(Streams.text("x")).build();
            fails(() -> sockets(g).tcpSend(send), Reason.SESSION_NOT_FOUND, Code.NOT_FOUND, "sessionId");
        });
        all.put("E07-listener-not-found", s -> {
            Gateway g = s.open();
            fails(() -> sockets(g).tcpUnlisten(TcpUnlistenRequest.newBuilder().setListenerId("nobody").build()),
                    Reason.LISTENER_NOT_FOUND, Code.NOT_FOUND, "listenerId");
        });
        all.put("E08-session-not-connected", s -> {
            Session session = s.connect(s.open(), "blackhole", TcpOptions.binary().noWait());
            fails(() -> session.send(utf8("x")), Reason.SESSION_NOT_CONNECTED, Code.FAILED_PRECONDITION, "sessionId", "state");
            session.abort();
            ended(session, CloseReason.ABORT);
        });
        all.put("E09-socket-not-connected", s -> {
            Gateway g = s.open();
            Session session = s.connect(g, "stuck", TcpOptions.binary());
            List<Future<?>> sends = new ArrayList<>();
            for (int i = 0; i < 12; i++) {
                sends.add(Sessions.later(() -> session.send(pattern(1_000_000))));
            }
            eventually("a send waits", () -> look(g, session.id()).getQueuedSendBytes() > 0);
            s.far.order("reset", "port", session.localAddress().getPort());
            boolean found = false;
            for (Future<?> send : sends) {
                if (failed(send)) {
                    GatewayException failed = Streams.failureOf(send);
                    if (failed.reason() == Reason.SOCKET_NOT_CONNECTED) {
                        is(failed, Reason.SOCKET_NOT_CONNECTED, Code.ABORTED, "sessionId", "itemsWritten");
                        found = true;
                    }
                }
            }
            check(found, "no send failed with SOCKET_NOT_CONNECTED");
        });
        all.put("E10-payload-invalid", s -> {
            Session session = s.connect(s.open(), "sink", TcpOptions.binary());
            fails(() -> session.send(Payload.none(), SendOptions.none()), Reason.PAYLOAD_INVALID, Code.INVALID_ARGUMENT);
            fails(() -> session.send(new byte[0]), Reason.PAYLOAD_INVALID, Code.INVALID_ARGUMENT);
            disconnected(session);
        });
        all.put("E11-wait-for-invalid", s -> {
            Gateway g = s.open();
            fails(() -> s.connect(g, "echo", TcpOptions.waitFor("(")), Reason.WAIT_FOR_INVALID, Code.INVALID_ARGUMENT);
        });
        all.put("E12-send-invalid", s -> {
            Gateway g = s.open();
            violates(fails(() -> g.udpOut("", 9, utf8("x"), DatagramOptions.none()), Reason.SEND_INVALID, Code.INVALID_ARGUMENT), "host");
        });
        all.put("E13-udp-send-failed", s -> {
            Gateway g = s.open();
            fails(() -> g.udpOut("127.255.255.255", 9, utf8("x"), DatagramOptions.none()),
                    Reason.UDP_SEND_FAILED, Code.FAILED_PRECONDITION, "host", "port", "errno");
        });
        all.put("E14-udp-error", s -> {
            Gateway g = s.open();
            GatewayException failed =
                    fails(() -> g.udpIn("192.0.2.1", 0, UdpOptions.binary()), Reason.UDP_ERROR, Code.FAILED_PRECONDITION);
            is("errno", failed.metadata().get("errno"), "EADDRNOTAVAIL");
        });
        all.put("E15-timeout", s -> {
            Session session = s.connect(s.open(), "silent", TcpOptions.lines());
            fails(() -> session.exchange("x", Exchange.oneFrame().timeout(Duration.ofMillis(200))),
                    Reason.TIMEOUT, Code.DEADLINE_EXCEEDED, "sessionId");
            session.abort();
            ended(session, CloseReason.ABORT);
        });
        all.put("E16-transport-error", s -> {
            Session session = s.connect(s.open(), "silent", TcpOptions.binary());
            s.far.order("reset", "port", session.localAddress().getPort());
            var error = is(event(session, Event.Kind.ERROR).error(), Reason.TRANSPORT_ERROR, Code.ABORTED);
            is("errno", error.metadata().get("errno"), "ECONNRESET");
            ended(session, CloseReason.PEER_RESET);
        });
        all.put("E17-frame-too-long", s -> {
            Session session = s.connect(s.open(), "long_line", TcpOptions.lines());
            fails(() -> session.exchange("go", Exchange.oneFrame()), Reason.FRAME_TOO_LONG, Code.RESOURCE_EXHAUSTED);
            ended(session, CloseReason.ERROR);
        });
        all.put("E18-limit-reached", s -> {
            Gateway g = s.open(s.own("limits.listeners=1").address, GatewayOptions.defaults());
            g.listen("127.0.0.1", 0, TcpOptions.binary());
            GatewayException failed =
                    fails(() -> g.listen("127.0.0.1", 0, TcpOptions.binary()), Reason.LIMIT_REACHED, Code.RESOURCE_EXHAUSTED);
            is("the limit", failed.metadata().get("limit").replaceFirst("^limits\\.", ""), "listeners");
            is("its value", failed.metadata().get("value"), "1");
        });
        all.put("E19-policy-denied", s -> {
            Gateway g = s.open(s.own("policy.profile=internet").address, GatewayOptions.defaults());
            GatewayException failed =
                    fails(() -> s.connect(g, "echo", TcpOptions.binary()), Reason.POLICY_DENIED, Code.PERMISSION_DENIED, "rule");
            check(!failed.metadata().get("rule").isEmpty(), "the rule has no name");
        });
        all.put("E20-write-offset-mismatch", s -> {
            Session session = s.connect(s.open(), "sink", TcpOptions.binary());
            GatewayException failed = fails(() -> session.send(Payload.bytes(utf8("x")), SendOptions.none().expectOffset(7)),
                    Reason.WRITE_OFFSET_MISMATCH, Code.FAILED_PRECONDITION);
            is("its metadata", failed.metadata().get("writeOffset"), "0");
            disconnected(session);
        });
        all.put("E21-request-invalid", s -> {
            Gateway g = s.open();
            violates(fails(() -> sessions(g).listSessions(ListSessionsRequest.newBuilder().setPageSize(5000).build()),
                    Reason.REQUEST_INVALID, Code.INVALID_ARGUMENT), "page_size");
        });
        all.put("E22-instance-changed", s -> {
            Gateway g = s.open();
            fails(() -> subscribe(g, "x-" + UUID.randomUUID(), "another", "x").next(),
                    Reason.INSTANCE_CHANGED, Code.FAILED_PRECONDITION, "instanceId");
        });
        all.put("E23-epoch-changed", s -> {
            Gateway g = s.open();
            String name = "epoch-" + UUID.randomUUID();
            StreamStart start;
            try (Context.CancellableContext context = Context.current().withCancellation()) {
                start = context.call(() -> subscribe(g, name, null, null).next().getStart());
            }
            fails(() -> subscribe(g, name, start.getInstanceId(), "another").next(),
                    Reason.EPOCH_CHANGED, Code.FAILED_PRECONDITION, "epoch");
        });
        all.put("E24-stream-stalled", Errors::streamStalled);
        all.put("E25-shutting-down", s -> {
            GatewayProcess own = s.own();
            Gateway g = s.open(own.address, GatewayOptions.defaults().patience(Duration.ofSeconds(1)));
            Iterator<SubscribeResponse> stream = subscribe(g, "down", null, null);
            stream.next();
            own.stop();
            fails(() -> toTheEnd(stream), Reason.SHUTTING_DOWN, Code.UNAVAILABLE);
        });
        all.put("E26-session-ended", s -> {
            Gateway g = s.open();
            Session session = s.connect(g, "silent", TcpOptions.lines());
            Future<Answer> asked = Sessions.later(() -> session.exchange("x", Exchange.oneFrame()));
            eventually("the exchange is under way", () -> look(g, session.id()).getExchangeActive());
            session.abort();
            is(Streams.failureOf(asked), Reason.SESSION_ENDED, Code.ABORTED, "sessionId", "closeReason");
        });
        all.put("E30-unreachable", s -> {
            String address = s.far.host + ":" + s.far.port("refused");
            try {
                s.open(address, GatewayOptions.defaults());
                throw new AssertionError("somebody is there");
            } catch (GatewayUnreachableException failed) {
                is("the code", failed.code(), Code.UNAVAILABLE);
                check(failed.getMessage().contains(address), failed);
            }
        });
    }

    private static boolean failed(Future<?> send) throws InterruptedException {
        try {
            send.get();
            return false;
        } catch (ExecutionException failed) {
            return true;
        }
    }

    private static Iterator<SubscribeResponse> subscribe(Gateway g, String name, String instance, String epoch) {
        SubscribeRequest.Builder request = SubscribeRequest.newBuilder().setSubscriber(name);
        if (instance != null) {
            request.setResume(Resume.newBuilder().setInstanceId(instance).setEpoch(epoch));
        }
        return sockets(g).subscribe(request.build());
    }

    private static void toTheEnd(Iterator<SubscribeResponse> stream) {
        while (stream.hasNext()) {
            stream.next();
        }
    }

    private static void streamStalled(Scenario s) throws Exception {
        GatewayProcess own = s.own("limits.stall_timeout=1s", "limits.subscriber_backlog_bytes=65536", "limits.session_backlog_bytes=65536");
        Relay relay = new Relay(s.far, own.address);
        Gateway direct = s.open(own.address, GatewayOptions.defaults());
        Gateway behind = s.open(relay.address, GatewayOptions.defaults());
        String name = "stalled-" + UUID.randomUUID();
        Iterator<SubscribeResponse> stream = subscribe(behind, name, null, null);
        stream.next();
        relay.order("pause");
        String id = sockets(direct).tcpConnect(TcpConnectRequest.newBuilder().setHost(s.far.host).setPort(s.far.port("source"))
                .setSubscriber(name).build()).getSessionId();
        sockets(direct).tcpSend(TcpSendRequest.newBuilder().setSessionId(id).addPayload(Streams.text("67108864\n")).build());
        eventually("reading is paused", () -> look(direct, id).getReadPaused());
        // Only time makes a stall.
        Thread.sleep(4000);
        relay.order("resume");
        fails(() -> toTheEnd(stream), Reason.STREAM_STALLED, Code.RESOURCE_EXHAUSTED);
        sockets(direct).tcpDisconnect(TcpDisconnectRequest.newBuilder().setSessionId(id).setAbort(true).build());
    }
}
