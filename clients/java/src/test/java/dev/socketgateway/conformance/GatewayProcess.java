package dev.socketgateway.conformance;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonSyntaxException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The real gateway, as a process of its own. */
public final class GatewayProcess implements AutoCloseable {
    private final Process process;
    /** Where it serves, host:port. */
    public final String address;

    private GatewayProcess(Process process, String address) {
        this.process = process;
        this.address = address;
    }

    /** Starts it with settings of the form "limits.sessions=3". */
    public static GatewayProcess start(String... settings) throws IOException {
        List<String> arguments = new ArrayList<>();
        for (String setting : settings) {
            arguments.add("--set");
            arguments.add(setting);
        }
        return launch(arguments);
    }

    /** Starts it with a configuration file. */
    public static GatewayProcess configured(Path file) throws IOException {
        return launch(List.of("--config", file.toString()));
    }

    private static GatewayProcess launch(List<String> more) throws IOException {
        List<String> command = new ArrayList<>(List.of(binary(), "serve", "--listen", "127.0.0.1:0", "--log-format", "json"));
        command.addAll(more);
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().keySet().removeIf(name -> name.startsWith("SOCKET_GATEWAY_"));
        Process process = builder.start();
        BufferedReader log = process.errorReader();
        StringBuilder told = new StringBuilder();
        for (String line = log.readLine(); line != null; line = log.readLine()) {
            told.append(line).append('\n');
            String address = readyAt(line);
            if (address != null) {
                Thread reader = new Thread(() -> {
                    try {
                        // Read on, or it blocks on a full pipe.
                        while (log.readLine() != null) { }
                    } catch (IOException closed) {
                        // It was ended at once, which closes the pipe.
                    }
                });
                reader.setDaemon(true);
                reader.start();
                return new GatewayProcess(process, address);
            }
        }
        throw new IOException("the gateway does not start: " + told);
    }

    private static String readyAt(String line) {
        try {
            JsonObject event = JsonParser.parseString(line).getAsJsonObject();
            boolean ready = event.has("message") && event.get("message").getAsString().equals("socket-gateway is ready");
            return ready ? event.get("address").getAsString() : null;
        } catch (JsonSyntaxException | IllegalStateException noEvent) {
            return null;
        }
    }

    private static String binary() {
        String named = System.getenv("SOCKET_GATEWAY_BIN");
        return named == null ? checkout().resolve("target/debug/socket-gateway").toString() : named;
    }

    /** The top of the repository. */
    public static Path checkout() {
        return Path.of(System.getProperty("checkout", "../..")).toAbsolutePath().normalize();
    }

    /** Ends it at once, as a crash does. */
    @Override
    public void close() {
        process.destroyForcibly();
        process.onExit().join();
    }

    /** Asks it to end in order, by SIGTERM. By its handle: {@link Process#destroy} would close the pipe that it still logs to. */
    void stop() {
        process.toHandle().destroy();
    }

    int exitCode() throws InterruptedException {
        return process.waitFor();
    }
}
