import dev.socketgateway.Gateway;
import dev.socketgateway.GatewayException;
import dev.socketgateway.Listener;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import dev.socketgateway.Terminator;
import java.net.InetSocketAddress;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The TCP server flow. */
@Command(
        name = "EchoServer",
        description = "Listens, greets who comes, sends each line back, and ends the connection on \"bye\". Try it with: telnet 127.0.0.1 2323")
final class EchoServer extends Example {
    @Option(names = "--host", defaultValue = "127.0.0.1", description = "the address to listen on (default: ${DEFAULT-VALUE})")
    String host;

    @Option(names = "--port", defaultValue = "2323", description = "0: any that is free (default: ${DEFAULT-VALUE})")
    int port;

    public static void main(String[] arguments) {
        run(new EchoServer(), arguments);
    }

    @Override
    public Integer call() throws InterruptedException {
        try (Gateway opened = Gateway.open(gateway);
                Listener listener = opened.listen(host, port, TcpOptions.lines().terminator(Terminator.CRLF))) {
            closeWhenInterrupted(listener);
            System.out.println("listening on " + host + ":" + listener.localAddress().getPort());
            for (Session visitor : listener.sessions()) {
                // Each has a thread of its own, so that nobody waits for anybody else.
                beside(() -> serve(visitor));
            }
        }
        return 0;
    }

    private static void serve(Session visitor) {
        InetSocketAddress from = visitor.remoteAddress();
        String name = from.getHostString() + ":" + from.getPort();
        System.out.println(name + " came");
        try (visitor) {
            visitor.send("Hello. I repeat what you say, until bye.");
            for (String line : visitor.lines()) {
                if (line.equals("bye")) {
                    visitor.send("Good bye.");
                    break;
                }
                visitor.send(line);
            }
            System.out.println(name + " went");
        } catch (GatewayException lost) {
            System.out.println(name + " was lost: " + lost.getMessage());
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }
}
