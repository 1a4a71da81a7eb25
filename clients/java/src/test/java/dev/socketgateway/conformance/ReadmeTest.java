package dev.socketgateway.conformance;

import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;

/** Compiles and runs every Java block of the README, against the real gateway and an echoing peer instead of the addresses on the page. */
public final class ReadmeTest {
    private ReadmeTest() {}

    public static void main(String[] none) throws Exception {
        String page = Files.readString(GatewayProcess.checkout().resolve("clients/java/README.md"));
        Matcher blocks = Pattern.compile("(?s)```java\n(.*?)```").matcher(page);
        Path folder = Files.createTempDirectory("readme");
        int count = 0;
        try (FarEnd far = new FarEnd();
                GatewayProcess gateway = GatewayProcess.start()) {
            while (blocks.find()) {
                count++;
                String code = blocks.group(1)
                        .replace("127.0.0.1:50051", gateway.address)
                        .replace("\"192.0.2.7\", 7", "\"" + far.host + "\", " + far.port("echo"))
                        .replace("\"192.0.2.7\", 1", "\"" + far.host + "\", " + far.port("refused"));
                run(folder, "Block" + count, code);
            }
        }
        Scenario.check(count > 5, "only", count, "blocks");
        System.out.println(count + " blocks passed");
        System.exit(0);
    }

    private static void run(Path folder, String name, String code) throws Exception {
        Path source = folder.resolve(name + ".java");
        Files.writeString(source, """
                import dev.socketgateway.*;
                import dev.socketgateway.tcpip.v1.ListSessionsRequest;
                import dev.socketgateway.tcpip.v1.SessionServiceGrpc;
                import java.net.Socket;
                import java.nio.charset.StandardCharsets;
                import java.time.Duration;

                public class %s {
                    public static void main(String[] none) throws Exception {
                %s    }
                }
                """.formatted(name, code));
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        int failed = compiler.run(null, null, null,
                "-proc:none", "-Xlint:all", "-Werror", "-cp", System.getProperty("java.class.path"), "-d", folder.toString(), source.toString());
        Scenario.check(failed == 0, "this does not compile:", code);
        try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()})) {
            loader.loadClass(name).getMethod("main", String[].class).invoke(null, (Object) new String[0]);
        }
    }
}
