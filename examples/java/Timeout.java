import dev.socketgateway.Event;
import dev.socketgateway.Gateway;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import java.time.Duration;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The inactivity timeout. */
@Command(
        name = "Timeout",
        description = "A connection on which nothing happens for a while is reported, and then kept or closed.")
final class Timeout extends Example {
    @Option(names = "--host", defaultValue = "127.0.0.1", description = "a peer that says nothing by itself (default: ${DEFAULT-VALUE})")
    String host;

    @Option(names = "--port", defaultValue = "2323", description = "its port (default: ${DEFAULT-VALUE})")
    int port;

    @Option(names = "--after", defaultValue = "1000", description = "milliseconds of silence (default: ${DEFAULT-VALUE})")
    long after;

    public static void main(String[] arguments) {
        run(new Timeout(), arguments);
    }

    @Override
    public Integer call() throws InterruptedException {
        TcpOptions options = TcpOptions.binary().timeout(Duration.ofMillis(after));
        try (Gateway opened = Gateway.open(gateway)) {
            try (Session session = opened.connect(host, port, options)) {
                for (Event event : session.events()) {
                    if (event.kind() == Event.Kind.TIMEOUT) {
                        System.out.println("kept: " + event.error().getMessage() + "; the session is " + (session.isOpen() ? "open" : "closed"));
                        break;
                    }
                }
            }
            try (Session session = opened.connect(host, port, options.closeOnTimeout(true))) {
                System.out.println("closed: " + session.closed().reason());
            }
        }
        return 0;
    }
}
