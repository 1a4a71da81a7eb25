import dev.socketgateway.Datagram;
import dev.socketgateway.Gateway;
import dev.socketgateway.GatewayException;
import dev.socketgateway.Listener;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import dev.socketgateway.UdpOptions;
import dev.socketgateway.UdpSocket;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** A collector of logs. */
@Command(
        name = "Syslog",
        description = {
            "Collects syslog messages over UDP and TCP, and prints them with facility and severity.",
            "Over TCP a message is a line (RFC 6587, non-transparent framing).",
            "Try it with: logger --server 127.0.0.1 --port 5514 --udp hello"
        })
final class Syslog extends Example {
    private static final String[] SEVERITIES = {"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};
    private static final Pattern PRIORITY = Pattern.compile("<(\\d{1,3})>(.*)", Pattern.DOTALL);
    private static final int LAST_PRIORITY = 191;

    @Option(names = "--host", defaultValue = "127.0.0.1", description = "the address to listen on (default: ${DEFAULT-VALUE})")
    String host;

    @Option(names = "--port", defaultValue = "5514", description = "0: any that is free (default: ${DEFAULT-VALUE})")
    int port;

    public static void main(String[] arguments) {
        run(new Syslog(), arguments);
    }

    @Override
    public Integer call() throws InterruptedException {
        try (Gateway opened = Gateway.open(gateway);
                UdpSocket udp = opened.udpIn(host, port, UdpOptions.binary());
                Listener tcp = opened.listen(host, port, TcpOptions.lines())) {
            closeWhenInterrupted(tcp);
            System.out.println("listening on " + host + ": udp " + udp.localAddress().getPort() + ", tcp " + tcp.localAddress().getPort());
            beside(() -> datagrams(udp));
            for (Session session : tcp.sessions()) {
                beside(() -> lines(session));
            }
        }
        return 0;
    }

    private static void datagrams(UdpSocket udp) {
        try {
            for (Datagram datagram : udp.datagrams()) {
                if (datagram.droppedBefore() > 0) {
                    System.out.println(datagram.droppedBefore() + " datagrams were dropped");
                }
                show("udp " + datagram.from().getHostString(), datagram.text());
            }
        } catch (GatewayException closed) {
            // The program is ending.
        }
    }

    private static void lines(Session session) {
        String sender = "tcp " + session.remoteAddress().getHostString();
        try (session) {
            session.lines().forEach(line -> show(sender, line));
        } catch (GatewayException lost) {
            System.out.println(sender + " was lost: " + lost.getMessage());
        }
    }

    private static void show(String sender, String message) {
        Matcher found = PRIORITY.matcher(message);
        int priority = found.matches() ? Integer.parseInt(found.group(1)) : LAST_PRIORITY + 1;
        if (priority > LAST_PRIORITY) {
            System.out.println(sender + " no syslog: '" + message + "'");
        } else {
            System.out.println(sender + " facility " + priority / 8 + " " + SEVERITIES[priority % 8] + ": " + found.group(2).stripTrailing());
        }
    }
}
