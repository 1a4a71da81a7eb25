package dev.socketgateway.conformance;

import static dev.socketgateway.conformance.Scenario.check;
import static dev.socketgateway.conformance.Scenario.is;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Every example of examples/java as its users run it, a program of its own, against the real gateway and simulated devices, real servers or
 * this test's own sockets.
 */
public final class ExamplesTest {
    private static final String HOST = "127.0.0.1";
    /** A program's first line comes after the start of a JVM, which on a machine that has other things to do takes its time. */
    private static final long PATIENCE_SECONDS = 300;

    private final GatewayProcess gateway;
    private final JsonObject peers;

    private ExamplesTest(GatewayProcess gateway, JsonObject peers) {
        this.gateway = gateway;
        this.peers = peers;
    }

    /** A test. */
    private interface Test {
        void run() throws Exception;
    }

    public static void main(String[] none) throws Exception {
        Process simulated = new ProcessBuilder("python3", GatewayProcess.checkout().resolve("examples/peers.py").toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try (GatewayProcess gateway = GatewayProcess.start()) {
            JsonObject peers = JsonParser.parseString(simulated.inputReader().readLine()).getAsJsonObject();
            new ExamplesTest(gateway, peers).all();
        } finally {
            simulated.getOutputStream().close();
        }
        System.exit(0);
    }

    private void all() throws Exception {
        Map<String, Test> tests = new LinkedHashMap<>();
        tests.put("every example helps", this::help);
        tests.put("the echo server serves its client", this::echo);
        tests.put("callers share a connection", this::requestResponse);
        tests.put("the board is talked with", this::bbs);
        tests.put("silence is reported", this::timeout);
        tests.put("a group is sent to and received from", this::multicast);
        tests.put("an instrument answers", this::scpi);
        tests.put("registers are read", this::modbus);
        tests.put("trackers are followed", this::gpsTracker);
        tests.put("syslog is collected over both", this::syslog);
        tests.put("a real mail server takes a mail", this::smtp);
        tests.put("a gateway that is not there is told in a line", this::noGateway);
        for (Map.Entry<String, Test> test : tests.entrySet()) {
            try {
                test.getValue().run();
                System.out.println("passed: " + test.getKey());
            } catch (Throwable failed) {
                throw new AssertionError("FAILED: " + test.getKey(), failed);
            }
        }
    }

    private Process start(String address, String name, Object... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(GatewayProcess.checkout().resolve("examples/java/run").toString(), name));
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("GATEWAY", address);
        return builder.start();
    }

    /** Runs an example to its end; gives what it printed. */
    private List<String> run(int status, String name, Object... arguments) throws Exception {
        return ends(status, start(gateway.address, name, arguments));
    }

    private static List<String> ends(int status, Process process) throws Exception {
        List<String> said = process.inputReader().lines().toList();
        check(process.waitFor() == status, "it ended with", process.exitValue(), "and said", said);
        return said;
    }

    /** An example that runs until it is ended. */
    private final class Server implements AutoCloseable {
        private final Process process;
        private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
        private final CompletableFuture<Void> read;
        private final List<Integer> ports = new ArrayList<>();

        private Server(String name, Object... arguments) throws Exception {
            process = start(gateway.address, name, arguments);
            read = CompletableFuture.runAsync(() -> process.inputReader().lines().forEach(lines::add));
            Matcher numbers = Pattern.compile("\\b(\\d{4,5})\\b").matcher(line());
            while (numbers.find()) {
                ports.add(Integer.valueOf(numbers.group(1)));
            }
        }

        /** What it prints next. */
        private String line() throws InterruptedException {
            String line = lines.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
            check(line != null, "it says nothing; it", process.isAlive() ? "lives" : "has ended");
            return line;
        }

        /** Ends it as a service is ended, by SIGTERM: an interrupt may be ignored where the test runs. */
        @Override
        public void close() {
            process.toHandle().destroy();
            is("the status after SIGTERM", process.onExit().join().exitValue(), 143);
            read.join();
            check(lines.isEmpty(), "it also said", lines);
        }
    }

    private int port(String peer) {
        return peers.get(peer).getAsInt();
    }

    private void help() throws Exception {
        Path folder = GatewayProcess.checkout().resolve("examples/java");
        int examples = 0;
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(file -> file.toString().endsWith(".java")).toList()) {
                String name = file.getFileName().toString().replace(".java", "");
                if (!name.equals("Example")) {
                    examples++;
                    check(String.join("\n", run(0, name, "--help")).contains("--gateway"), name, "does not help");
                }
            }
        }
        is("examples", examples, 11);
    }

    private void echo() throws Exception {
        try (Server server = new Server("EchoServer", "--port", 0)) {
            List<String> said = run(0, "EchoClient", "--port", server.ports.get(0), "one", "two", "bye");
            is("the client's", said, List.of("Hello. I repeat what you say, until bye.", "one", "two", "Good bye."));
            check(server.line().endsWith(" came"), "it does not tell who came");
            check(server.line().endsWith(" went"), "it does not tell who went");
            try (Socket visitor = new Socket(HOST, server.ports.get(0))) {
                BufferedReader lines = new BufferedReader(new InputStreamReader(visitor.getInputStream(), StandardCharsets.UTF_8));
                check(server.line().endsWith(" came"), "it does not tell who came");
                lines.readLine();
                write(visitor, "plain\r\n");
                is("the echo", lines.readLine(), "plain");
                write(visitor, "bye\r\n");
                is("the farewell", lines.readLine(), "Good bye.");
                is("the end", lines.readLine(), null);
            }
            check(server.line().endsWith(" went"), "it does not tell who went");
        }
    }

    private void requestResponse() throws Exception {
        try (Server server = new Server("EchoServer", "--port", 0)) {
            List<String> said = run(0, "RequestResponse", "--port", server.ports.get(0), "--callers", 3);
            List<String> wanted = new ArrayList<>();
            for (int i = 1; i <= 3; i++) {
                wanted.add("'question " + i + "' was answered by 'question " + i + "'");
            }
            is("the answers", said, wanted);
            server.line();
            server.line();
        }
    }

    private void bbs() throws Exception {
        List<String> said = run(0, "Bbs", "--port", port("bbs"));
        is("the greeting", said.get(0), "*** THE BOARD ***");
        is("the message", said.get(said.indexOf("> READ 2") + 1), "The lighthouse is closed in winter");
        is("the end", said.subList(said.size() - 2, said.size()), List.of("> QUIT", "GOOD BYE"));
    }

    private void timeout() throws Exception {
        List<String> said = run(0, "Timeout", "--port", port("silent"), "--after", 300);
        check(said.get(0).startsWith("kept: ") && said.get(0).endsWith("the session is open"), said);
        is("the end", said.get(1), "closed: TIMEOUT");
    }

    private void multicast() throws Exception {
        Process member = start(gateway.address, "Multicast", "--port", 0, "--interface", HOST, "receive");
        BufferedReader lines = member.inputReader();
        Matcher listening = Pattern.compile("listening on port (\\d+) for 239\\.255\\.42\\.99").matcher(lines.readLine());
        check(listening.matches(), "it does not listen");
        String port = listening.group(1);
        List<String> sent = run(0, "Multicast", "--port", port, "--interface", HOST, "send", "to all");
        is("the sender's", sent, List.of("sent 6 bytes to 239.255.42.99:" + port));
        check(lines.readLine().endsWith(": to all"), "another datagram came");
        is("the status", member.waitFor(), 0);
    }

    private void scpi() throws Exception {
        is("the answers", run(0, "Scpi", HOST, "--port", port("scpi")),
                List.of("*IDN? -> ACME,DMM-9000,SN00042,1.7", "MEAS:VOLT:DC? -> +4.99713E+00", "errors: 0,\"No error\""));
        is("the errors", run(0, "Scpi", HOST, "--port", port("scpi"), "--ask", "NONSENSE"), List.of("errors: -113,\"Undefined header\""));
    }

    private void modbus() throws Exception {
        is("the registers", run(0, "Modbus", HOST, "--port", port("modbus"), "--first", 7, "--count", 2),
                List.of("register 7: 1007", "register 8: 1008"));
        is("the refusal", run(1, "Modbus", HOST, "--port", port("modbus"), "--first", 99, "--count", 2),
                List.of("the device refused: illegal data address"));
    }

    private void gpsTracker() throws Exception {
        try (Server server = new Server("GpsTracker", "--port", 0);
                Socket tracker = new Socket(HOST, server.ports.get(0))) {
            // Cut in the middle, as it comes over the air.
            write(tracker, "$GPGGA,123519,4807.038,N,01131.000,E,1,08,");
            write(tracker, "0.9,545.4,M,46.9,M,,*47\r\n$GPGGA,1,2*00\r\n");
            check(server.line().endsWith(" at 48.11730 11.51667, 08 satellites"), "another position");
            check(server.line().endsWith("wrong checksum"), "the checksum was not looked at");
        }
    }

    private void syslog() throws Exception {
        try (Server server = new Server("Syslog", "--port", 0)) {
            try (DatagramSocket sender = new DatagramSocket()) {
                byte[] message = "<34>Oct 11 22:14:15 mymachine su: it failed".getBytes(StandardCharsets.UTF_8);
                sender.send(new DatagramPacket(message, message.length, InetAddress.getByName(HOST), server.ports.get(0)));
                is("the message", server.line(), "udp 127.0.0.1 facility 4 critical: Oct 11 22:14:15 mymachine su: it failed");
            }
            try (Socket sender = new Socket(HOST, server.ports.get(1))) {
                write(sender, "<165>one\n<13>two\nthree\n");
                is("the first", server.line(), "tcp 127.0.0.1 facility 20 notice: one");
                is("the second", server.line(), "tcp 127.0.0.1 facility 1 notice: two");
                is("the third", server.line(), "tcp 127.0.0.1 no syslog: 'three'");
            }
        }
    }

    private void smtp() throws Exception {
        try (MailServer server = new MailServer()) {
            List<String> said = run(0, "Smtp", "--port", server.port, "--to", "you@mail.test", "--subject", "Grüße", "Through a gateway.\n.\nBye");
            is("the sender's", said, List.of("127.0.0.1 took the mail"));
            is("the mail's text", server.queued(), "Through a gateway.\n.\nBye\n");
        }
        List<String> said = run(1, "Smtp", "--port", port("bbs"), "--to", "you@mail.test", "Hello");
        check(!said.isEmpty(), "a server of another kind takes the mail");
    }

    private void noGateway() throws Exception {
        List<String> said = ends(1, start("127.0.0.1:1", "Scpi", HOST));
        check(said.size() == 1 && said.get(0).contains("no socket gateway is reached at 127.0.0.1:1"), said);
    }

    private static void write(Socket to, String text) throws IOException {
        OutputStream out = to.getOutputStream();
        out.write(text.getBytes(StandardCharsets.UTF_8));
        out.flush();
    }
}
