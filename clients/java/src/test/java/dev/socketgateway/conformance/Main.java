package dev.socketgateway.conformance;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import dev.socketgateway.Gateway;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs the scenarios of tests/conformance/scenarios.md, or those whose ids begin as the arguments say, and writes their results. */
public final class Main {
    private static final int SCENARIO_SECONDS = 300;

    private Main() {}

    public static void main(String[] chosen) throws Exception {
        Map<String, Scenario.Body> all = new LinkedHashMap<>();
        Sessions.addTo(all);
        Listeners.addTo(all);
        Streams.addTo(all);
        Errors.addTo(all);
        Callers.addTo(all);
        JsonObject results = new JsonObject();
        boolean good = true;
        try (FarEnd far = new FarEnd();
                GatewayProcess gateway = GatewayProcess.start()) {
            for (Map.Entry<String, Scenario.Body> each : all.entrySet()) {
                if (chosen.length > 0 && java.util.Arrays.stream(chosen).noneMatch(each.getKey()::startsWith)) {
                    continue;
                }
                long began = System.nanoTime();
                String failure = run(each.getValue(), new Scenario(far, gateway.address));
                double seconds = Math.round((System.nanoTime() - began) / 1e7) / 100.0;
                System.out.printf("%-28s %6.2f s  %s%n", each.getKey(), seconds, failure == null ? "passed" : "FAILED: " + failure);
                JsonObject result = new JsonObject();
                result.addProperty("result", failure == null ? "passed" : "failed");
                result.addProperty("seconds", seconds);
                if (failure != null) {
                    result.addProperty("reason", failure);
                    good = false;
                }
                results.add(each.getKey(), result);
            }
        }
        if (chosen.length == 0) {
            write(results);
        }
        System.exit(good ? 0 : 1);
    }

    private static String run(Scenario.Body body, Scenario scenario) throws InterruptedException {
        CompletableFuture<Void> done = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try (scenario) {
                body.run(scenario);
                done.complete(null);
            } catch (Throwable failed) {
                done.completeExceptionally(failed);
            }
        });
        thread.setDaemon(true);
        thread.start();
        try {
            done.get(SCENARIO_SECONDS, TimeUnit.SECONDS);
            return null;
        } catch (ExecutionException failed) {
            failed.getCause().printStackTrace();
            return failed.getCause().toString();
        } catch (TimeoutException tooLong) {
            StringBuilder where = new StringBuilder("it did not end; it waits at");
            for (StackTraceElement frame : thread.getStackTrace()) {
                where.append(' ').append(frame.getClassName().replaceFirst(".*\\.", "")).append(':').append(frame.getLineNumber());
            }
            thread.interrupt();
            return where.toString();
        }
    }

    private static void write(JsonObject results) throws Exception {
        JsonObject whole = new JsonObject();
        whole.addProperty("language", "java");
        whole.addProperty("client", Gateway.version());
        whole.addProperty("runtime", System.getProperty("java.vm.version"));
        whole.add("scenarios", results);
        Path folder = Files.createDirectories(GatewayProcess.checkout().resolve("target/conformance"));
        Files.writeString(folder.resolve("java.json"), new GsonBuilder().setPrettyPrinting().create().toJson(whole) + "\n");
    }
}
