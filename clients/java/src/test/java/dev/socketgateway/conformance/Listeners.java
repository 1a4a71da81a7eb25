package dev.socketgateway.conformance;

import static dev.socketgateway.conformance.Scenario.*;

import dev.socketgateway.CloseReason;
import dev.socketgateway.Datagram;
import dev.socketgateway.DatagramOptions;
import dev.socketgateway.Event;
import dev.socketgateway.Gateway;
import dev.socketgateway.Listener;
import dev.socketgateway.Payload;
import dev.socketgateway.Reason;
import dev.socketgateway.SendOptions;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import dev.socketgateway.Terminator;
import dev.socketgateway.UdpOptions;
import dev.socketgateway.UdpSocket;
import dev.socketgateway.tcpip.v1.ListSessionsRequest;
import dev.socketgateway.tcpip.v1.TcpConnectRequest;
import dev.socketgateway.tcpip.v1.TcpDisconnectRequest;
import dev.socketgateway.tcpip.v1.TcpListenRequest;
import dev.socketgateway.tcpip.v1.TcpUnlistenRequest;
import dev.socketgateway.tcpip.v1.UdpInRequest;
import io.grpc.Status.Code;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.ConnectException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** Listeners, claims, timeouts, retries and UDP. */
final class Listeners {
    private static final Duration SHORT = Duration.ofMillis(300);

    private Listeners() {}

    static void addTo(Map<String, Scenario.Body> all) {
        all.put("C30-listen", Listeners::listen);
        all.put("C31-unlisten-with-sessions", s -> {
            Listener listener = s.open().listen("127.0.0.1", 0, TcpOptions.binary());
            List<Session> sessions = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                s.ends(dial(listener));
                sessions.add(listener.accept());
            }
            is("sessions closing", listener.closeWithSessions(), 2);
            for (Session session : sessions) {
                ended(session, CloseReason.BY_REQUEST);
            }
        });
        all.put("C32-claims", s -> {
            Gateway a = s.open();
            Session ofA = s.connect(a, "answers", TcpOptions.lines());
            Session ofB = s.open().session(ofA.id());
            ofA.send("one");
            hears(ofA, "re: one");
            ofB.send("two");
            hears(ofB, "re: two");
            ofA.send("three");
            hears(ofA, "re: three");
            var found = look(a, ofA.id());
            is("the lifecycle subscriber", found.getLifecycleSubscriber(), a.subscriber());
            is("the data subscriber", found.getDataSubscriber(), a.subscriber());
            check(found.getClaimGeneration() >= 2, "generation", found.getClaimGeneration());
            disconnected(ofA);
            is("and then A reads", ofA.nextLine(), null);
        });
        all.put("C33-claim-data", s -> {
            Gateway a = s.open();
            Session ofA = s.connect(a, "answers", TcpOptions.lines());
            Session ofB = s.open().session(ofA.id());
            is("the previous subscriber", ofB.claim(), a.subscriber());
            s.say(ofA, "news\r\n");
            hears(ofB, "news");
            disconnected(ofA);
        });
        all.put("C34-send-without-claim", s -> {
            Session ofA = s.connect(s.open(), "answers", TcpOptions.lines());
            s.open().session(ofA.id()).send(Payload.text("x"), SendOptions.none().leaveClaim());
            hears(ofA, "re: x");
            disconnected(ofA);
        });
        all.put("C40-inactivity-keeps", s -> {
            Session session = s.connect(s.open(), "answers", TcpOptions.lines().timeout(SHORT));
            is(event(session, Event.Kind.TIMEOUT).error(), Reason.TIMEOUT, Code.DEADLINE_EXCEEDED);
            session.send("still here");
            hears(session, "re: still here");
            disconnected(session);
        });
        all.put("C41-inactivity-closes", s -> {
            Gateway g = s.open();
            Listener listener = g.listen("127.0.0.1", 0, TcpOptions.binary().timeout(SHORT));
            s.ends(dial(listener));
            Session dialled = s.connect(g, "silent", TcpOptions.binary().timeout(SHORT).closeOnTimeout(true));
            for (Session session : List.of(listener.accept(), dialled)) {
                event(session, Event.Kind.TIMEOUT);
                ended(session, CloseReason.TIMEOUT);
            }
        });
        all.put("C42-connect-timeout", s -> {
            Gateway g = s.open();
            TcpOptions options = TcpOptions.binary().connectTimeout(SHORT);
            fails(() -> s.connect(g, "blackhole", options), Reason.CONNECT_FAILED, Code.DEADLINE_EXCEEDED, "sessionId", "host", "port");
        });
        all.put("C43-no-wait", s -> {
            Gateway g = s.open();
            Session session = s.connect(g, "echo", TcpOptions.binary().noWait());
            is("the first event", session.nextEvent().kind(), Event.Kind.CONNECTING);
            is("the second event", session.nextEvent().kind(), Event.Kind.CONNECTED);
            session.awaitConnected();
            session.send(utf8("x"));
            isBytes(read(session, 1), utf8("x"));
            disconnected(session);
            Session refused = s.connect(g, "refused", TcpOptions.binary().noWait());
            is("the first event", refused.nextEvent().kind(), Event.Kind.CONNECTING);
            Event error = refused.nextEvent();
            is("the second event", error.kind(), Event.Kind.ERROR);
            is("its errno", error.error().metadata().get("errno"), "ECONNREFUSED");
            is("its reason", ended(refused, CloseReason.ERROR).failure().reason(), Reason.CONNECT_FAILED);
            fails(refused::awaitConnected, Reason.CONNECT_FAILED, Code.ABORTED);
        });
        all.put("C44-orphaned", s -> {
            Gateway g = s.open();
            String nobody = "nobody-" + UUID.randomUUID();
            var connected = sockets(g).tcpConnect(TcpConnectRequest.newBuilder()
                    .setHost(s.far.host)
                    .setPort(s.far.port("silent"))
                    .setSubscriber(nobody)
                    .setOrphanTimeout(com.google.protobuf.Duration.newBuilder().setNanos(500_000_000))
                    .build());
            check(!s.waitFar(connected.getConnected().getLocalPort()).get("outcome").getAsString().equals("open"), "it never ended");
            ListSessionsRequest list = ListSessionsRequest.newBuilder().setSubscriber(nobody).build();
            eventually("it is gone", () -> sessions(g).listSessions(list).getTotalSize() == 0);
        });
        all.put("C50-request-id", Listeners::requestIds);
        all.put("C51-write-offset", s -> {
            Session session = s.connect(s.open(), "sink", TcpOptions.binary());
            SendOptions first = SendOptions.none().expectOffset(0);
            is("the write offset", session.send(Payload.bytes(utf8("abc")), first).writeOffset(), 3L);
            var failed = fails(
                    () -> session.send(Payload.bytes(utf8("abc")), first), Reason.WRITE_OFFSET_MISMATCH, Code.FAILED_PRECONDITION);
            is("its metadata", failed.metadata().get("writeOffset"), "3");
            disconnected(session);
            is("received", s.waitFar(session).get("received").getAsInt(), 3);
        });
        all.put("C80-udp-reply", Listeners::udpReply);
        all.put("C81-udp-modes", s -> {
            UdpSocket udp = s.open().udpIn("127.0.0.1", 0, UdpOptions.utf8());
            DatagramSocket own = s.ends(new DatagramSocket());
            for (byte[] payload : List.of(utf8("grüß"), new byte[] {(byte) 0xff, (byte) 0xfe}, new byte[0])) {
                own.send(new DatagramPacket(payload, payload.length, udp.localAddress()));
                Datagram datagram = udp.receive();
                isBytes(datagram.payload(), payload);
                check(payload.length == 0 || datagram.isText() == (payload.length == 6), datagram);
            }
            udp.disconnect();
            udp.closed();
        });
        all.put("C82-multicast", s -> {
            Gateway g = s.open();
            UdpOptions options = UdpOptions.binary().group("239.255.77.77", "127.0.0.1");
            UdpSocket first = g.udpIn("0.0.0.0", 0, options);
            int port = first.localAddress().getPort();
            UdpSocket second = g.udpIn("0.0.0.0", port, options);
            g.udpOut("239.255.77.77", port, utf8("to all"), DatagramOptions.none().multicastInterface("127.0.0.1"));
            is("the first got", first.receive().text(), "to all");
            is("the second got", second.receive().text(), "to all");
        });
        all.put("C83-udp-out", s -> {
            Gateway g = s.open();
            UdpSocket udp = g.udpIn("127.0.0.1", 0, UdpOptions.binary());
            is("bytes", g.udpOut("127.0.0.1", udp.localAddress().getPort(), utf8("once"), DatagramOptions.none()), 4);
            is("the payload", udp.receive().text(), "once");
        });
    }

    private static Socket dial(Listener listener) throws Exception {
        Socket visitor = new Socket(listener.localAddress().getAddress(), listener.localAddress().getPort());
        visitor.setSoTimeout((int) PATIENCE_SECONDS * 1000);
        return visitor;
    }

    private static void listen(Scenario s) throws Exception {
        Listener listener = s.open().listen("127.0.0.1", 0, TcpOptions.lines().terminator(Terminator.CRLF));
        check(listener.localAddress().getPort() != 0 && listener.id().startsWith("lstn-"), listener);
        Socket[] visitors = new Socket[3];
        for (int i = 0; i < 3; i++) {
            visitors[i] = s.ends(dial(listener));
            visitors[i].getOutputStream().write(utf8("visitor " + (i + 1) + "\n"));
        }
        List<Session> sessions = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Session session = listener.accept();
            int number = 0;
            for (int v = 0; v < 3; v++) {
                number = visitors[v].getLocalPort() == session.remoteAddress().getPort() ? v + 1 : number;
            }
            hears(session, "visitor " + number);
            session.send("hello " + number);
            sessions.add(session);
        }
        for (int i = 0; i < 3; i++) {
            var reader = new BufferedReader(new InputStreamReader(visitors[i].getInputStream(), StandardCharsets.UTF_8));
            is("the answer", reader.readLine(), "hello " + (i + 1));
            visitors[i].close();
        }
        for (Session session : sessions) {
            ended(session, CloseReason.PEER_CLOSED);
        }
        listener.close();
        check(!listener.sessions().iterator().hasNext(), "a session of a closed listener");
        try {
            dial(listener).close();
            throw new AssertionError("it still listens");
        } catch (ConnectException refused) {
            check(refused.getMessage() != null, refused);
        }
    }

    private static void requestIds(Scenario s) throws Exception {
        Gateway g = s.open();
        String request = UUID.randomUUID().toString();
        var connect = TcpConnectRequest.newBuilder().setHost(s.far.host).setPort(s.far.port("silent")).setSubscriber(g.subscriber())
                .setRequestId(request).build();
        var listen = TcpListenRequest.newBuilder().setHost("127.0.0.1").setSubscriber(g.subscriber()).setRequestId(request).build();
        var bind = UdpInRequest.newBuilder().setHost("127.0.0.1").setSubscriber(g.subscriber()).setRequestId(request).build();
        String session = sockets(g).tcpConnect(connect).getSessionId();
        String listener = sockets(g).tcpListen(listen).getListenerId();
        String udp = sockets(g).udpIn(bind).getSessionId();
        is("the session", sockets(g).tcpConnect(connect).getSessionId(), session);
        is("the listener", sockets(g).tcpListen(listen).getListenerId(), listener);
        is("the socket", sockets(g).udpIn(bind).getSessionId(), udp);
        sockets(g).tcpDisconnect(TcpDisconnectRequest.newBuilder().setSessionId(session).build());
        sockets(g).tcpDisconnect(TcpDisconnectRequest.newBuilder().setSessionId(udp).build());
        sockets(g).tcpUnlisten(TcpUnlistenRequest.newBuilder().setListenerId(listener).build());
    }

    private static void udpReply(Scenario s) throws Exception {
        UdpSocket udp = s.open().udpIn("127.0.0.1", 0, UdpOptions.binary());
        DatagramSocket own = s.ends(new DatagramSocket(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)));
        own.setSoTimeout((int) PATIENCE_SECONDS * 1000);
        own.send(new DatagramPacket(utf8("ping"), 4, udp.localAddress()));
        Datagram datagram = udp.receive();
        is("the payload", datagram.text(), "ping");
        is("the sender", datagram.from(), own.getLocalSocketAddress());
        udp.reply(datagram, utf8("pong"));
        DatagramPacket reply = new DatagramPacket(new byte[16], 16);
        own.receive(reply);
        is("the reply", new String(reply.getData(), 0, reply.getLength(), StandardCharsets.UTF_8), "pong");
        is("its port", reply.getPort(), udp.localAddress().getPort());
        byte[] bytes = new byte[256];
        for (int i = 0; i < 256; i++) {
            bytes[i] = (byte) i;
        }
        udp.sendTo(s.far.host, s.far.port("udp_echo"), bytes, DatagramOptions.none());
        datagram = udp.receive();
        isBytes(datagram.payload(), bytes);
        is("the sender's port", datagram.from().getPort(), s.far.port("udp_echo"));
        udp.disconnect();
        is("and then", udp.receive(), null);
    }
}
