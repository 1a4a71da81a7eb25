import dev.socketgateway.Gateway;
import dev.socketgateway.GatewayException;
import dev.socketgateway.Listener;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** A server that many devices report to. */
@Command(
        name = "GpsTracker",
        description = {
            "A server for GPS trackers that connect and report their position as NMEA 0183 sentences.",
            "Prints a line for each position. Sentences with a wrong checksum are reported and passed over."
        })
final class GpsTracker extends Example {
    @Option(names = "--host", defaultValue = "127.0.0.1", description = "the address to listen on (default: ${DEFAULT-VALUE})")
    String host;

    @Option(names = "--port", defaultValue = "5020", description = "0: any that is free (default: ${DEFAULT-VALUE})")
    int port;

    @Option(names = "--silence", defaultValue = "300", description = "seconds until a silent tracker is hung up on (default: ${DEFAULT-VALUE})")
    long silence;

    public static void main(String[] arguments) {
        run(new GpsTracker(), arguments);
    }

    @Override
    public Integer call() throws InterruptedException {
        try (Gateway opened = Gateway.open(gateway);
                Listener listener = opened.listen(host, port, TcpOptions.lines().timeout(Duration.ofSeconds(silence)))) {
            closeWhenInterrupted(listener);
            System.out.println("listening on " + host + ":" + listener.localAddress().getPort());
            for (Session session : listener.sessions()) {
                beside(() -> track(session));
            }
        }
        return 0;
    }

    private static void track(Session session) {
        InetSocketAddress from = session.remoteAddress();
        String tracker = from.getHostString() + ":" + from.getPort();
        try (session) {
            for (String sentence : session.lines()) {
                try {
                    String[] fields = checked(sentence);
                    if (fields[0].endsWith("GGA") && !fields[6].equals("0")) {
                        System.out.printf(Locale.ROOT, "%s at %.5f %.5f, %s satellites%n", tracker,
                                degrees(fields[2], fields[3]), degrees(fields[4], fields[5]), fields[7]);
                    }
                } catch (IllegalArgumentException | IndexOutOfBoundsException wrong) {
                    System.out.println(tracker + " sent '" + sentence + "': " + wrong.getMessage());
                }
            }
        } catch (GatewayException gone) {
            // A tracker that drives into a tunnel: the timeout has closed its session.
            System.out.println(tracker + " is gone: " + gone.getMessage());
        }
    }

    /** The fields of a sentence, whose checksum must be right: the exclusive or of what is between $ and *. */
    private static String[] checked(String sentence) {
        int star = sentence.indexOf('*');
        if (!sentence.startsWith("$") || star < 0) {
            throw new IllegalArgumentException("no NMEA sentence");
        }
        String body = sentence.substring(1, star);
        int sum = 0;
        for (byte one : body.getBytes(StandardCharsets.UTF_8)) {
            sum ^= one;
        }
        if (sum != Integer.parseInt(sentence.substring(star + 1), 16)) {
            throw new IllegalArgumentException("wrong checksum");
        }
        return body.split(",", -1);
    }

    /** ddmm.mmmm as degrees. */
    private static double degrees(String value, String hemisphere) {
        int minutes = value.indexOf('.') - 2;
        double size = Integer.parseInt(value.substring(0, minutes)) + Double.parseDouble(value.substring(minutes)) / 60;
        return hemisphere.equals("S") || hemisphere.equals("W") ? -size : size;
    }
}
