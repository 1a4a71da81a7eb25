package dev.socketgateway.conformance;

import static dev.socketgateway.conformance.Scenario.check;
import static dev.socketgateway.conformance.Scenario.eventually;
import static dev.socketgateway.conformance.Scenario.is;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A real exim4, which takes any mail and keeps it in its queue. */
final class MailServer implements AutoCloseable {
    private static final int ATTEMPTS = 5;

    private final Path folder = Files.createTempDirectory("mail");
    private Process process;
    int port;

    /** Starts on a free port; tries again where another program has taken it meanwhile. */
    MailServer() throws Exception {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                port = free.getLocalPort();
            }
            start();
            boolean[] listens = {false};
            eventually("the mail server listens or has ended", () -> {
                try {
                    new Socket("127.0.0.1", port).close();
                    listens[0] = true;
                    return true;
                } catch (IOException notYet) {
                    return !process.isAlive();
                }
            });
            if (listens[0] && process.isAlive()) {
                return;
            }
        }
        throw new IOException("the mail server does not start: scripts/install-test-tools installs it");
    }

    private void start() throws IOException {
        String group = Files.readAttributes(folder, PosixFileAttributes.class).group().getName();
        Path settings = folder.resolve("conf");
        Files.writeString(settings, """
                spool_directory = %1$s/spool
                log_file_path = %1$s/spool/log/%%slog
                pid_file_path = %1$s/pid
                primary_hostname = mail.test
                keep_environment =
                host_lookup =
                tls_advertise_hosts =
                notifier_socket =
                daemon_smtp_ports = %2$d
                local_interfaces = 127.0.0.1
                queue_only
                acl_smtp_rcpt = accept
                exim_user = %3$s
                exim_group = %4$s
                admin_groups = %4$s
                """.formatted(folder, port, System.getProperty("user.name"), group));
        // On Debian it is where only root looks.
        String program = Files.isExecutable(Path.of("/usr/sbin/exim4")) ? "/usr/sbin/exim4" : "exim4";
        process = new ProcessBuilder(program, "-C", settings.toString(), "-bdf")
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("said").toFile())
                .start();
    }

    /** The text of the one mail in the queue, without its headers. */
    String queued() throws IOException {
        try (Stream<Path> files = Files.list(folder.resolve("spool/input"))) {
            List<Path> mails = files.filter(file -> file.toString().endsWith("-D")).toList();
            is("mails in the queue", mails.size(), 1);
            String mail = Files.readString(mails.get(0));
            // The first line is the queue's own.
            return mail.substring(mail.indexOf('\n') + 1);
        }
    }

    @Override
    public void close() throws IOException {
        process.destroyForcibly();
        process.onExit().join();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
        check(!Files.exists(folder), "it leaves something behind");
    }
}
