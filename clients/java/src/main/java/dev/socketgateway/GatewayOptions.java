package dev.socketgateway;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.time.Duration;
import java.util.function.Supplier;

/** How a {@link Gateway} is opened. Immutable: every method gives a new one. */
public final class GatewayOptions {
    final String subscriber;
    final Supplier<String> token;
    final boolean plaintextToken;
    final ChannelCredentials credentials;
    final String serverName;
    final Duration heartbeat;
    final Duration patience;

    private GatewayOptions(
            String subscriber,
            Supplier<String> token,
            boolean plaintextToken,
            ChannelCredentials credentials,
            String serverName,
            Duration heartbeat,
            Duration patience) {
        this.subscriber = subscriber;
        this.token = token;
        this.plaintextToken = plaintextToken;
        this.credentials = credentials;
        this.serverName = serverName;
        this.heartbeat = heartbeat;
        this.patience = patience;
    }

    /** {@return a subscriber of one's own, no token, no TLS} */
    public static GatewayOptions defaults() {
        return new GatewayOptions(null, null, false, null, null, Duration.ofSeconds(15), Duration.ofSeconds(60));
    }

    /**
     * The name by which the gateway knows this client; without it, one that nobody else has. What is opened for this name, by whomever, arrives
     * here, also what came while this program was away.
     *
     * @param name at most 128 bytes
     * @return the options
     */
    public GatewayOptions subscriber(String name) {
        return new GatewayOptions(name, token, plaintextToken, credentials, serverName, heartbeat, patience);
    }

    /**
     * Tells the gateway who calls. A token goes over TLS, or in plaintext to this machine; anything else needs {@link #plaintextToken()}.
     *
     * @param token the token
     * @return the options
     */
    public GatewayOptions token(String token) {
        return token(() -> token);
    }

    /**
     * As {@link #token(String)} for tokens that change.
     *
     * @param source is asked before each call, so it should keep what it has
     * @return the options
     */
    public GatewayOptions token(Supplier<String> source) {
        return new GatewayOptions(subscriber, source, plaintextToken, credentials, serverName, heartbeat, patience);
    }

    /** {@return the token may go in plaintext to another machine: only where something else encrypts} */
    public GatewayOptions plaintextToken() {
        return new GatewayOptions(subscriber, token, true, credentials, serverName, heartbeat, patience);
    }

    /**
     * Encrypts.
     *
     * @param authorities a PEM file with the certificates that may have signed the gateway's; null: those that Java trusts
     * @return the options
     * @throws IOException where it cannot be read
     */
    public GatewayOptions tls(File authorities) throws IOException {
        return credentials(trusting(authorities).build());
    }

    /**
     * Encrypts, and shows a certificate of one's own (mutual TLS).
     *
     * @param authorities as in {@link #tls(File)}
     * @param certificate a PEM file with the own certificate
     * @param key a PEM file with its key (PKCS #8)
     * @return the options
     * @throws IOException where one cannot be read
     */
    public GatewayOptions tls(File authorities, File certificate, File key) throws IOException {
        return credentials(trusting(authorities).keyManager(certificate, key).build());
    }

    private static TlsChannelCredentials.Builder trusting(File authorities) throws IOException {
        TlsChannelCredentials.Builder builder = TlsChannelCredentials.newBuilder();
        return authorities == null ? builder : builder.trustManager(authorities);
    }

    private GatewayOptions credentials(ChannelCredentials credentials) {
        return new GatewayOptions(subscriber, token, plaintextToken, credentials, serverName, heartbeat, patience);
    }

    /**
     * The name in the gateway's certificate, where it is not the target's host.
     *
     * @param name the name
     * @return the options
     */
    public GatewayOptions serverName(String name) {
        return new GatewayOptions(subscriber, token, plaintextToken, credentials, name, heartbeat, patience);
    }

    /**
     * How often the gateway says that it lives when it has nothing else to say: by default every 15 s. A stream that is silent for three times
     * as long is taken for broken.
     *
     * @param interval at least 1 s
     * @return the options
     */
    public GatewayOptions heartbeat(Duration interval) {
        return new GatewayOptions(subscriber, token, plaintextToken, credentials, serverName, interval, patience);
    }

    /**
     * For how long a broken stream is tried to be had again before everything ends: by default 60 s.
     *
     * @param time the time
     * @return the options
     */
    public GatewayOptions patience(Duration time) {
        return new GatewayOptions(subscriber, token, plaintextToken, credentials, serverName, heartbeat, time);
    }

    /** How to talk to a target. */
    ChannelCredentials credentialsFor(String target) {
        if (credentials != null) {
            return credentials;
        }
        if (target.startsWith("https://")) {
            return TlsChannelCredentials.create();
        }
        if (token != null && !plaintextToken && !isLocal(target)) {
            throw new IllegalArgumentException(
                    "a token would go in plaintext to another machine: use tls, or plaintextToken where something else encrypts");
        }
        return InsecureChannelCredentials.create();
    }

    private static boolean isLocal(String target) {
        String host = target.substring(target.lastIndexOf('/') + 1);
        return target.startsWith("unix:") || host.startsWith("127.") || host.startsWith("localhost:") || host.startsWith("[::1]:");
    }
}
