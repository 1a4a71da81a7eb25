package dev.socketgateway.conformance;

import com.google.gson.JsonObject;
import java.io.IOException;

/** A relay of the far end. */
final class Relay {
    private final FarEnd far;
    private final int id;
    final String address;

    Relay(FarEnd far, String target) throws IOException {
        this.far = far;
        JsonObject made = far.order("relay", "port", portOf(target));
        id = made.get("relay").getAsInt();
        address = far.host + ":" + made.get("port").getAsInt();
    }

    private static int portOf(String address) {
        return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
    }

    JsonObject order(String cmd) throws IOException {
        return far.order(cmd, "relay", id);
    }

    void target(String address) throws IOException {
        far.order("target", "relay", id, "port", portOf(address));
    }
}
