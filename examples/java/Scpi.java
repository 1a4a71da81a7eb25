import dev.socketgateway.Exchange;
import dev.socketgateway.Gateway;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import java.time.Duration;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A query to a measuring instrument. */
@Command(
        name = "Scpi",
        description = "Asks a measuring instrument who it is and what it measures: SCPI over its raw socket.")
final class Scpi extends Example {
    private static final Exchange A_LINE = Exchange.oneFrame().timeout(Duration.ofSeconds(10));

    @Parameters(description = "the instrument, as the gateway sees it")
    String host;

    @Option(names = "--port", defaultValue = "5025", description = "its port (default: ${DEFAULT-VALUE})")
    int port;

    @Option(names = "--ask", description = "a query or command; may be given several times; without: *IDN? and MEAS:VOLT:DC?")
    List<String> queries = List.of("*IDN?", "MEAS:VOLT:DC?");

    public static void main(String[] arguments) {
        run(new Scpi(), arguments);
    }

    @Override
    public Integer call() throws InterruptedException {
        try (Gateway opened = Gateway.open(gateway);
                Session instrument = opened.connect(host, port, TcpOptions.lines())) {
            for (String query : queries) {
                // A query has one line for an answer; what is no query has none.
                if (query.endsWith("?")) {
                    System.out.println(query + " -> " + instrument.exchange(query, A_LINE).text());
                } else {
                    instrument.send(query);
                }
            }
            System.out.println("errors: " + instrument.exchange("SYST:ERR?", A_LINE).text());
        }
        return 0;
    }
}
