package dev.socketgateway.conformance;

import static dev.socketgateway.conformance.Scenario.*;

import dev.socketgateway.Gateway;
import dev.socketgateway.GatewayException;
import dev.socketgateway.GatewayOptions;
import dev.socketgateway.Reason;
import dev.socketgateway.Session;
import dev.socketgateway.TcpOptions;
import io.grpc.Status.Code;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;

/** Who calls. */
final class Callers {
    private Callers() {}

    static void addTo(Map<String, Scenario.Body> all) {
        all.put("S01-token", s -> {
            Gateway g = s.open(known(s, annAndBen()), token("conformance-ann"));
            Session session = echoes(s, g);
            is("the session", look(g, session.id()).getSessionId(), session.id());
            disconnected(session);
        });
        all.put("S02-wrong-token", s -> {
            String address = known(s, annAndBen());
            fails(() -> s.open(address, GatewayOptions.defaults()), Reason.UNAUTHENTICATED, Code.UNAUTHENTICATED);
            fails(() -> s.open(address, token("wrong")), Reason.UNAUTHENTICATED, Code.UNAUTHENTICATED);
        });
        all.put("S03-namespaces", s -> {
            String address = known(s, annAndBen());
            Gateway ann = s.open(address, token("conformance-ann").subscriber("the same"));
            Gateway ben = s.open(address, token("conformance-ben").subscriber("the same"));
            TcpOptions options = TcpOptions.lines().sessionId("shared");
            Session ofAnn = s.connect(ann, "answers", options);
            Session ofBen = s.connect(ben, "answers", options);
            ofAnn.send("I am ann");
            ofBen.send("I am ben");
            hears(ofAnn, "re: I am ann");
            hears(ofBen, "re: I am ben");
            Session other = s.connect(ann, "answers", TcpOptions.lines());
            fails(() -> ben.session(other.id()), Reason.SESSION_NOT_FOUND, Code.NOT_FOUND);
            disconnected(ofAnn);
            disconnected(ofBen);
        });
        all.put("S04-tls", s -> {
            Path folder = certificates();
            String address = known(s, annAndBen() + tls(folder));
            GatewayOptions ann = token("conformance-ann");
            GatewayOptions impatient = ann.patience(Duration.ofSeconds(1));
            disconnected(echoes(s, s.open(address, ann.tls(file(folder, "ca.pem")))));
            unavailable(s, address, impatient.tls(file(folder, "other-ca.pem")));
            unavailable(s, address, impatient);
        });
        all.put("S05-client-certificate", s -> {
            Path folder = certificates();
            String address = known(s, "[[identity.certificates]]\ndns = \"conformance-client\"\nname = \"ann\"\n" + tls(folder)
                    + "client_ca = \"" + folder.resolve("ca.pem") + "\"\nclient_auth = \"required\"\n");
            GatewayOptions own = GatewayOptions.defaults().tls(file(folder, "ca.pem"), file(folder, "client.pem"), file(folder, "client.key"));
            disconnected(echoes(s, s.open(address, own)));
            unavailable(s, address, GatewayOptions.defaults().tls(file(folder, "ca.pem")));
        });
    }

    private static GatewayOptions token(String token) {
        return GatewayOptions.defaults().token(token);
    }

    /** The address of a gateway that knows its callers, with more in its configuration file. */
    private static String known(Scenario s, String config) throws Exception {
        Path file = Files.createTempFile("gateway", ".toml");
        Files.writeString(file, "[policy]\nprofile = \"dev\"\n" + config);
        GatewayProcess process = s.ends(GatewayProcess.configured(file));
        Files.delete(file);
        return process.address;
    }

    static String annAndBen() throws Exception {
        StringBuilder config = new StringBuilder();
        for (String name : new String[] {"ann", "ben"}) {
            config.append("[[identity.tokens]]\nname = \"").append(name).append("\"\nsha256 = \"")
                    .append(hash(utf8("conformance-" + name))).append("\"\n");
        }
        return config.toString();
    }

    private static Session echoes(Scenario s, Gateway g) throws Exception {
        Session session = s.connect(g, "echo", TcpOptions.lines());
        session.send("hello");
        hears(session, "hello");
        return session;
    }

    static Path certificates() throws Exception {
        Path folder = Files.createTempDirectory("certificates");
        Process made = new ProcessBuilder(
                        GatewayProcess.checkout().resolve("tests/conformance/certificates").toString(), folder.toString())
                .inheritIO()
                .start();
        is("the exit code", made.waitFor(), 0);
        for (File each : folder.toFile().listFiles()) {
            each.deleteOnExit();
        }
        return folder;
    }

    private static File file(Path folder, String name) {
        return folder.resolve(name).toFile();
    }

    static String tls(Path folder) {
        return "[tls]\ncertificate = \"" + folder.resolve("server.pem") + "\"\nkey = \"" + folder.resolve("server.key") + "\"\n";
    }

    private static void unavailable(Scenario s, String address, GatewayOptions options) throws Exception {
        try {
            s.open(address, options);
        } catch (GatewayException failed) {
            is("the code", failed.code(), Code.UNAVAILABLE);
            return;
        }
        throw new AssertionError("it is let in");
    }
}
