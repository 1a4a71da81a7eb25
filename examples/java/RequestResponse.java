import dev.socketgateway.Answer;
import dev.socketgateway.Exchange;
import dev.socketgateway.Gateway;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Request and response. */
@Command(
        name = "RequestResponse",
        description = "Several callers share one connection, and each gets its own answer.")
final class RequestResponse extends Example {
    @Option(names = "--host", defaultValue = "127.0.0.1", description = "the server, as the gateway sees it (default: ${DEFAULT-VALUE})")
    String host;

    @Option(names = "--port", defaultValue = "2323", description = "a server that repeats what it is told (default: ${DEFAULT-VALUE})")
    int port;

    @Option(names = "--callers", defaultValue = "5", description = "how many (default: ${DEFAULT-VALUE})")
    int callers;

    public static void main(String[] arguments) {
        run(new RequestResponse(), arguments);
    }

    @Override
    public Integer call() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(callers);
        try (Gateway opened = Gateway.open(gateway);
                Session session = opened.connect(host, port, TcpOptions.lines())) {
            List<Callable<String>> questions = IntStream.rangeClosed(1, callers)
                    .<Callable<String>>mapToObj(number -> () -> ask(session, "question " + number))
                    .toList();
            for (Future<String> said : pool.invokeAll(questions)) {
                System.out.println(said.get());
            }
        } finally {
            pool.shutdownNow();
        }
        return 0;
    }

    private static String ask(Session session, String question) throws InterruptedException {
        // The session's turn goes from caller to caller, first come, first served.
        Answer answer = session.exchange(question, Exchange.until(question + "$").timeout(Duration.ofSeconds(30)));
        return "'" + question + "' was answered by '" + answer.match() + "'";
    }
}
