package dev.socketgateway.conformance;

import static dev.socketgateway.conformance.Scenario.*;

import dev.socketgateway.Answer;
import dev.socketgateway.CloseReason;
import dev.socketgateway.Event;
import dev.socketgateway.Exchange;
import dev.socketgateway.Gateway;
import dev.socketgateway.Line;
import dev.socketgateway.Match;
import dev.socketgateway.Payload;
import dev.socketgateway.Reason;
import dev.socketgateway.SendOptions;
import dev.socketgateway.Sent;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import dev.socketgateway.Terminator;
import dev.socketgateway.tcpip.v1.SessionState;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Sessions and bytes, and exchanges. */
final class Sessions {
    private Sessions() {}

    static void addTo(Map<String, Scenario.Body> all) {
        all.put("C01-connect-echo", s -> {
            Gateway g = s.open();
            Session session = s.connect(g, "echo", TcpOptions.binary());
            is("the peer's port", session.remoteAddress().getPort(), s.far.port("echo"));
            check(!session.id().isEmpty() && session.localAddress().getPort() != 0, session);
            byte[] bytes = new byte[256];
            for (int i = 0; i < 256; i++) {
                bytes[i] = (byte) i;
            }
            session.send(bytes);
            isBytes(read(session, 256), bytes);
            var end = disconnected(session);
            is("received", end.received(), 256L);
            is("sent", end.sent(), 256L);
            fails(() -> g.session(session.id()), Reason.SESSION_NOT_FOUND, Code.NOT_FOUND);
        });
        all.put("C02-forced-id", s -> {
            Gateway g = s.open();
            String id = "forced-" + UUID.randomUUID();
            for (int i = 0; i < 2; i++) {
                Session session = s.connect(g, "silent", TcpOptions.binary().sessionId(id));
                is("the id", session.id(), id);
                is("the state", look(g, id).getState(), SessionState.SESSION_STATE_CONNECTED);
                disconnected(session);
            }
        });
        all.put("C03-lines", s -> {
            Session session = s.connect(s.open(), "echo", TcpOptions.lines());
            for (String piece : List.of("one\r", "\ntwo\nth", "ree\rfo", "ur\r\n", "\n")) {
                session.send(utf8(piece));
            }
            hears(session, "one", "two", "three", "four", "");
            session.send(utf8("end\n"));
            hears(session, "end");
            disconnected(session);
        });
        all.put("C04-not-utf8", s -> {
            Session session = s.connect(s.open(), "bbs", TcpOptions.lines());
            is("the match", session.exchange("anna", Exchange.until("password: ")).match().text(), "password: ");
            is("the match", session.exchange("secret", Exchange.until("menu> ")).match().text(), "menu> ");
            session.send("latin");
            String wanted = "636166e9";
            String found;
            do {
                // What the login said before the exchanges may come first.
                found = HexFormat.of().formatHex(session.nextRawLine().bytes()).replaceFirst("^6d656e753e20", "");
            } while (!found.contains("636166"));
            is("the bytes", found, wanted);
            disconnected(session);
        });
        all.put("C05-terminators", s -> {
            Session session = s.connect(s.open(), "sink", TcpOptions.binary());
            for (Terminator terminator : List.of(Terminator.NONE, Terminator.LF, Terminator.CRLF, Terminator.CR)) {
                session.send(Payload.text("a").andBytes(utf8("b")), SendOptions.none().terminator(terminator));
            }
            session.send(Payload.text(""), SendOptions.none().terminator(Terminator.LF));
            disconnected(session);
            var told = s.waitFar(session);
            is("received", told.get("received").getAsInt(), 13);
            is("what arrived", told.get("sha256").getAsString(), hash(utf8("aba\nba\r\nba\rb\n")));
        });
        all.put("C06-items", s -> {
            Session session = s.connect(s.open(), "sink", TcpOptions.binary().terminator(Terminator.LF));
            Sent sent = session.send(Payload.text("one").andBytes(utf8("two")).andText("three"), SendOptions.none());
            check(sent.items() == 3 && sent.writeOffset() == 13 && !sent.messageId().isEmpty(), sent);
            sent = session.send(utf8("x"));
            check(sent.items() == 1 && sent.writeOffset() == 14, sent);
            disconnected(session);
        });
        all.put("C07-wait-for", s -> {
            Session session = s.connect(s.open(), "bbs", TcpOptions.waitFor("login: $"));
            matches(session, "login: ", "Welcome to the far end");
            session.send(Payload.text("anna"), SendOptions.none().waitFor("^(?P<what>pass)word: "));
            Match match = matches(session, "password: ");
            is("the captures", match.captures().toString(), "[Capture[name=what, value=pass]]");
            session.send(Payload.text("secret"), SendOptions.none().waitFor("menu> "));
            matches(session, "menu> ", "", "Hello, anna");
            session.send("list");
            matches(session, "menu> ", "one", "two", "three");
            session.send(Payload.text("quit"), SendOptions.none().waitFor(""));
            hears(session, "Goodbye");
            ended(session, CloseReason.PEER_CLOSED);
        });
        all.put("C08-flushed", s -> {
            Gateway g = s.open();
            Session session = s.connect(g, "greeter", TcpOptions.waitFor("never"));
            eventually("all was received", () -> look(g, session.id()).getBytesReceived() == 25);
            session.disconnect();
            Match match = session.nextMatch();
            check(match.match() == null && match.lastUnfinished(), match);
            is("the lines", texts(match.lines()), List.of("hello 1", "hello 2", "ready> "));
            is("and then", session.nextMatch(), null);
        });
        all.put("C09-ten-megabytes", s -> {
            Session session = s.connect(s.open(), "echo", TcpOptions.binary());
            byte[] bytes = pattern(10_000_000);
            Future<Sent> sent = later(() -> session.send(bytes));
            isBytes(read(session, bytes.length), bytes);
            sent.get();
            disconnected(session);
        });
        all.put("C10-big-download", s -> {
            Session session = s.connect(s.open(), "source", TcpOptions.binary());
            session.send(utf8("10000000\n"));
            isBytes(session.inputStream().readAllBytes(), pattern(10_000_000));
            is("received", ended(session, CloseReason.PEER_CLOSED).received(), 10_000_000L);
        });
        all.put("C11-disconnect-writes-all", s -> {
            Session session = s.connect(s.open(), "sink", TcpOptions.binary());
            session.send(pattern(1_000_000));
            is("sent", disconnected(session).sent(), 1_000_000L);
            var told = s.waitFar(session);
            is("the outcome", told.get("outcome").getAsString(), "closed");
            is("what arrived", told.get("sha256").getAsString(), hash(pattern(1_000_000)));
        });
        all.put("C12-abort", s -> {
            Session session = s.connect(s.open(), "silent", TcpOptions.binary());
            session.abort();
            ended(session, CloseReason.ABORT);
            is("the outcome", s.waitFar(session).get("outcome").getAsString(), "broken");
        });
        all.put("C13-half-close", s -> {
            Gateway g = s.open();
            Session session = s.connect(g, "half_closer", TcpOptions.lines().allowHalfOpen());
            hears(session, "half");
            event(session, Event.Kind.HALF_CLOSED);
            is("the end", session.nextLine(), null);
            is("the state", look(g, session.id()).getState(), SessionState.SESSION_STATE_HALF_CLOSED);
            session.send(utf8("after\n"));
            disconnected(session);
            is("received", s.waitFar(session).get("received").getAsInt(), 6);
        });
        all.put("C14-peer-closed", s -> {
            Gateway g = s.open();
            for (String peer : List.of("closer", "half_closer")) {
                Session session = s.connect(g, peer, TcpOptions.lines());
                hears(session, peer.equals("closer") ? "bye" : "half", null);
                ended(session, CloseReason.PEER_CLOSED);
            }
        });
        all.put("C15-peer-reset", s -> {
            Session session = s.connect(s.open(), "resetter", TcpOptions.binary());
            session.send(utf8("x"));
            var error = event(session, Event.Kind.ERROR).error();
            is("errno", is(error, Reason.TRANSPORT_ERROR, Code.ABORTED).metadata().get("errno"), "ECONNRESET");
            ended(session, CloseReason.PEER_RESET);
            fails(session::nextChunk, Reason.TRANSPORT_ERROR, Code.ABORTED);
        });
        all.put("C16-five-hundred", Sessions::fiveHundred);
        all.put("C20-exchange", s -> {
            Session session = s.connect(s.open(), "answers", TcpOptions.lines());
            Answer answer = session.exchange(Payload.text("a", "b", "c"), Exchange.until("^re: (c)$"));
            is("the answer", answer.toString(), "Answer[end=MATCH, frames=[re: a, re: b], match=re: c, captures=[Capture[name=, value=c]]]");
            answer = session.exchange("d", Exchange.oneFrame());
            is("the answer", answer.toString(), "Answer[end=FRAME, frames=[re: d], match=null, captures=[]]");
            disconnected(session);
        });
        all.put("C21-exchange-turns", s -> {
            Session session = s.connect(s.open(), "answers", TcpOptions.lines());
            together(20, 20, i -> {
                String caller = "caller " + i;
                is("the match", session.exchange(caller, Exchange.until("^re: ")).match().text(), "re: " + caller);
            });
            disconnected(session);
        });
        all.put("C22-exchange-timeout", s -> {
            Session session = s.connect(s.open(), "answers", TcpOptions.lines());
            Exchange impatient = Exchange.until("^re: ").timeout(Duration.ofMillis(200));
            fails(() -> session.exchange("wait 1 late", impatient), Reason.TIMEOUT, Code.DEADLINE_EXCEEDED);
            is("the match", session.exchange("next", Exchange.until("^re: ")).match().text(), "re: next");
            hears(session, "re: late");
            disconnected(session);
        });
        all.put("C23-exchange-greeting", s -> {
            Session session = s.connect(s.open(), "bbs", TcpOptions.lines());
            is("the match", session.exchange(Payload.none(), Exchange.until("login: $")).match().text(), "login: ");
            is("the match", session.exchange("anna", Exchange.until("password: $")).match().text(), "password: ");
            is("the frames", texts(session.exchange("wrong", Exchange.until("login: $")).frames()), List.of("", "Login incorrect"));
            session.exchange("anna", Exchange.until("password: $"));
            session.exchange("secret", Exchange.until("menu> $"));
            is("the farewell", session.exchange("quit", Exchange.oneFrame()).text().replaceFirst("^menu> ", ""), "Goodbye");
            ended(session, CloseReason.PEER_CLOSED);
        });
        all.put("C24-exchange-peer-closed", s -> {
            Session session = s.connect(s.open(), "source", TcpOptions.binary().terminator(Terminator.LF));
            Answer answer = session.exchange("0", Exchange.oneFrame());
            is("the end", answer.end(), Answer.End.PEER_CLOSED);
            is("the frames", answer.frames(), List.of());
        });
    }

    private static void fiveHundred(Scenario s) throws Exception {
        Gateway g = s.open();
        Session[] sessions = new Session[500];
        together(500, 50, i -> sessions[i] = s.connect(g, "echo", TcpOptions.lines()));
        together(500, 50, i -> {
            sessions[i].send("session " + i);
            hears(sessions[i], "session " + i);
        });
        together(500, 50, i -> disconnected(sessions[i]));
    }

    static Match matches(Session session, String matched, String... before) throws InterruptedException {
        Match match = session.nextMatch();
        check(match != null && match.match() != null, "no match:", match);
        is("the match", match.match().text(), matched);
        is("the lines before", texts(match.lines()), List.of(before));
        return match;
    }

    static List<String> texts(List<Line> lines) {
        return lines.stream().map(Line::text).toList();
    }

    static <T> CompletableFuture<T> later(Callable<T> work) {
        CompletableFuture<T> done = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                done.complete(work.call());
            } catch (Throwable failed) {
                done.completeExceptionally(failed);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return done;
    }

    /** One of several that work at once. */
    interface Part {
        void run(int number) throws Exception;
    }

    static void together(int count, int atOnce, Part part) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(atOnce);
        try {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                int number = i;
                running.add(threads.submit(() -> {
                    part.run(number);
                    return null;
                }));
            }
            for (Future<?> each : running) {
                each.get();
            }
        } finally {
            threads.shutdownNow();
        }
    }
}
