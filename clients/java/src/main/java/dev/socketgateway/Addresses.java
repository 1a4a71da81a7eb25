package dev.socketgateway;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;

/** Addresses as the gateway writes them. */
final class Addresses {
    private Addresses() {}

    static InetSocketAddress of(String host, int port) {
        int zone = host.indexOf('%');
        try {
            // The zone is one of the gateway's machine. What is left is no name, so nothing is looked up.
            return new InetSocketAddress(InetAddress.getByName(zone < 0 ? host : host.substring(0, zone)), port);
        } catch (UnknownHostException notAnAddress) {
            return InetSocketAddress.createUnresolved(host, port);
        }
    }
}
