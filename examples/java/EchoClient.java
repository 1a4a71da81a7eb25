import dev.socketgateway.Gateway;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import java.time.Duration;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The TCP client flow. */
@Command(
        name = "EchoClient",
        description = "Connects, sends each word as a line, and prints what comes back.")
final class EchoClient extends Example {
    @Option(names = "--host", defaultValue = "127.0.0.1", description = "the server, as the gateway sees it (default: ${DEFAULT-VALUE})")
    String host;

    @Option(names = "--port", defaultValue = "2323", description = "where EchoServer listens (default: ${DEFAULT-VALUE})")
    int port;

    @Parameters(defaultValue = "hello bye", split = " ", description = "what to send (default: ${DEFAULT-VALUE})")
    List<String> words;

    public static void main(String[] arguments) {
        run(new EchoClient(), arguments);
    }

    @Override
    public Integer call() throws InterruptedException {
        try (Gateway opened = Gateway.open(gateway);
                Session session = opened.connect(host, port, TcpOptions.lines())) {
            session.readTimeout(Duration.ofSeconds(30));
            session.send(words.toArray(String[]::new));
            session.lines().forEach(System.out::println);
        }
        return 0;
    }
}
