import dev.socketgateway.Gateway;
import jakarta.mail.Message.RecipientType;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.util.List;
import java.util.Properties;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Existing code over the gateway. */
@Command(
        name = "Smtp",
        description = "Sends a mail with Jakarta Mail, which knows nothing of gateways: its sockets are the gateway's.")
final class Smtp extends Example {
    @Option(names = "--host", defaultValue = "127.0.0.1", description = "the mail server, as the gateway sees it (default: ${DEFAULT-VALUE})")
    String host;

    @Option(names = "--port", defaultValue = "25", description = "its port (default: ${DEFAULT-VALUE})")
    int port;

    @Option(names = "--sender", defaultValue = "me@example.org", description = "(default: ${DEFAULT-VALUE})")
    String sender;

    @Option(names = "--to", required = true, description = "may be given several times")
    List<String> recipients;

    @Option(names = "--subject", defaultValue = "", description = "the subject")
    String subject;

    @Parameters(description = "the text")
    String text;

    public static void main(String[] arguments) {
        run(new Smtp(), arguments);
    }

    @Override
    public Integer call() throws Exception {
        try (Gateway opened = Gateway.open(gateway)) {
            Properties settings = new Properties();
            settings.put("mail.smtp.host", host);
            settings.put("mail.smtp.port", port);
            settings.put("mail.smtp.socketFactory", opened.socketFactory());
            settings.put("mail.smtp.connectiontimeout", 30_000);
            settings.put("mail.smtp.timeout", 30_000);
            // Encrypted where the server can: TLS goes over the gateway's socket too.
            settings.put("mail.smtp.starttls.enable", true);
            MimeMessage mail = new MimeMessage(Session.getInstance(settings));
            mail.setFrom(new InternetAddress(sender));
            for (String recipient : recipients) {
                mail.addRecipient(RecipientType.TO, new InternetAddress(recipient));
            }
            mail.setSubject(subject, "UTF-8");
            mail.setText(text, "UTF-8");
            Transport.send(mail);
            System.out.println(host + " took the mail");
        }
        return 0;
    }
}
