package dev.socketgateway.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** The program with the peers. */
public final class FarEnd implements AutoCloseable {
    private final Process process;
    private final Map<String, Integer> ports = new HashMap<>();
    private final Socket control;
    private final BufferedReader answers;
    public String host;

    public FarEnd() throws IOException {
        process = new ProcessBuilder("python3", GatewayProcess.checkout().resolve("tests/conformance/farend.py").toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        collect(JsonParser.parseString(process.inputReader().readLine()).getAsJsonObject());
        control = new Socket(host, port("control"));
        answers = new BufferedReader(new InputStreamReader(control.getInputStream(), StandardCharsets.UTF_8));
    }

    private void collect(JsonObject told) {
        for (Map.Entry<String, JsonElement> entry : told.entrySet()) {
            if (entry.getValue().isJsonObject()) {
                collect(entry.getValue().getAsJsonObject());
            } else if (entry.getValue().getAsJsonPrimitive().isNumber()) {
                ports.put(entry.getKey(), entry.getValue().getAsInt());
            } else {
                host = entry.getValue().getAsString();
            }
        }
    }

    public int port(String name) {
        return ports.get(name);
    }

    synchronized JsonObject order(String cmd, Object... more) throws IOException {
        JsonObject order = new JsonObject();
        order.addProperty("cmd", cmd);
        for (int i = 0; i < more.length; i += 2) {
            if (more[i + 1] instanceof Number number) {
                order.addProperty((String) more[i], number);
            } else {
                order.addProperty((String) more[i], (String) more[i + 1]);
            }
        }
        control.getOutputStream().write((order + "\n").getBytes(StandardCharsets.UTF_8));
        JsonObject answer = JsonParser.parseString(answers.readLine()).getAsJsonObject();
        if (answer.has("error")) {
            throw new IOException("the far end, asked " + order + ": " + answer);
        }
        return answer;
    }

    @Override
    public void close() throws IOException {
        control.close();
        process.getOutputStream().close();
        process.onExit().join();
    }
}
