import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** What the examples have in common: an option that says where the gateway is, and how they end. */
abstract class Example implements Callable<Integer> {
    /** How long a program that was interrupted may take to close what it has opened. */
    private static final int FAREWELL_MILLIS = 10_000;

    @Option(names = "--gateway", defaultValue = "${env:GATEWAY:-127.0.0.1:50051}", description = "the gateway (default: ${DEFAULT-VALUE})")
    String gateway;

    @Option(names = {"-h", "--help"}, usageHelp = true, description = "show this")
    boolean help;

    /** Runs an example as its command line says. What goes wrong is told in a line. */
    static void run(Example example, String... arguments) {
        int status = new CommandLine(example)
                .setExecutionExceptionHandler((failed, line, parsed) -> {
                    System.err.println(failed.getMessage());
                    return 1;
                })
                .execute(arguments);
        if (status != 0) {
            System.exit(status);
        }
    }

    /** Lets an interrupt (Ctrl-C) close a server, and the program then come to its end. */
    static void closeWhenInterrupted(AutoCloseable server) {
        Thread program = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                server.close();
                program.join(FAREWELL_MILLIS);
            } catch (Exception failed) {
                System.err.println(failed.getMessage());
            }
        }));
    }

    /** Runs something beside the rest; the program does not wait for it at its end. */
    static void beside(Runnable what) {
        Thread thread = new Thread(what);
        thread.setDaemon(true);
        thread.start();
    }
}
