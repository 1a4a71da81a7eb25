import dev.socketgateway.Datagram;
import dev.socketgateway.DatagramOptions;
import dev.socketgateway.Gateway;
import dev.socketgateway.UdpOptions;
import dev.socketgateway.UdpSocket;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Multicast. */
@Command(name = "Multicast", description = "Receives what is sent to a group, or sends to it.")
final class Multicast extends Example {
    /** What to do. */
    enum What { receive, send }

    @Option(names = "--group", defaultValue = "239.255.42.99", description = "the group (default: ${DEFAULT-VALUE})")
    String group;

    @Option(names = "--port", defaultValue = "4299", description = "the port (default: ${DEFAULT-VALUE})")
    int port;

    @Option(names = "--interface", defaultValue = "", description = "the gateway's, by name or IPv4 address")
    String networkInterface;

    @Option(names = "--count", defaultValue = "1", description = "receive: how many datagrams (default: ${DEFAULT-VALUE})")
    int count;

    @Parameters(index = "0", description = "${COMPLETION-CANDIDATES}")
    What what;

    @Parameters(index = "1", defaultValue = "hello", description = "send: the text (default: ${DEFAULT-VALUE})")
    String text;

    public static void main(String[] arguments) {
        run(new Multicast(), arguments);
    }

    @Override
    public Integer call() throws InterruptedException {
        try (Gateway opened = Gateway.open(gateway)) {
            if (what == What.send) {
                DatagramOptions out = DatagramOptions.none().multicastInterface(networkInterface);
                int sent = opened.udpOut(group, port, text.getBytes(StandardCharsets.UTF_8), out);
                System.out.println("sent " + sent + " bytes to " + group + ":" + port);
                return 0;
            }
            try (UdpSocket socket = opened.udpIn("", port, UdpOptions.utf8().group(group, networkInterface))) {
                System.out.println("listening on port " + socket.localAddress().getPort() + " for " + group);
                for (int received = 0; received < count; received++) {
                    Datagram datagram = socket.receive();
                    System.out.println(datagram.from().getHostString() + ": " + datagram.text());
                }
            }
        }
        return 0;
    }
}
