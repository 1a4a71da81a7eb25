import dev.socketgateway.Answer;
import dev.socketgateway.Exchange;
import dev.socketgateway.Gateway;
import dev.socketgateway.Match;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import dev.socketgateway.Terminator;
import java.time.Duration;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A dialogue with prompts. */
@Command(
        name = "Bbs",
        description = "The dialogue with a bulletin board, which asks for a command whenever it is ready, without ending that line.")
final class Bbs extends Example {
    /** It matches the unfinished line as well: a prompt has no line end. */
    private static final String PROMPT = "^ENTER COMMAND";

    @Option(names = "--host", defaultValue = "127.0.0.1", description = "the board, as the gateway sees it (default: ${DEFAULT-VALUE})")
    String host;

    @Option(names = "--port", defaultValue = "23", description = "its port (default: ${DEFAULT-VALUE})")
    int port;

    @Parameters(description = "commands; without any: LIST, \"READ 2\", QUIT")
    List<String> commands = List.of("LIST", "READ 2", "QUIT");

    public static void main(String[] arguments) {
        run(new Bbs(), arguments);
    }

    @Override
    public Integer call() throws InterruptedException {
        try (Gateway opened = Gateway.open(gateway);
                Session board = opened.connect(host, port, TcpOptions.waitFor(PROMPT).terminator(Terminator.CRLF))) {
            board.readTimeout(Duration.ofSeconds(30));
            // The first prompt comes unasked. From then on each command and its answer are one exchange.
            Match greeting = board.nextMatch();
            if (greeting == null) {
                throw new IllegalStateException("the board hung up before it said anything");
            }
            greeting.lines().forEach(System.out::println);
            for (String command : commands) {
                System.out.println("> " + command);
                Answer answer = board.exchange(command, Exchange.until(PROMPT));
                answer.frames().forEach(System.out::println);
                if (answer.end() == Answer.End.PEER_CLOSED) {
                    break;
                }
            }
        }
        return 0;
    }
}
