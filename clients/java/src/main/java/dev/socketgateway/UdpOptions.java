package dev.socketgateway;

import dev.socketgateway.tcpip.v1.MulticastGroup;
import dev.socketgateway.tcpip.v1.UdpInRequest;
import dev.socketgateway.tcpip.v1.UdpMode;
import java.time.Duration;
import java.util.function.UnaryOperator;

/** How a UDP socket is bound, for {@link Gateway#udpIn}. Immutable: every method gives a new one. */
public final class UdpOptions {
    final UdpInRequest request;

    private UdpOptions(UdpInRequest request) {
        this.request = request;
    }

    /** {@return datagrams as bytes, no groups} */
    public static UdpOptions binary() {
        return new UdpOptions(UdpInRequest.getDefaultInstance());
    }

    /** {@return {@link Datagram#isText()} tells which datagrams are valid UTF-8} */
    public static UdpOptions utf8() {
        return binary().with(request -> request.setMode(UdpMode.UDP_MODE_UTF8));
    }

    private UdpOptions with(UnaryOperator<UdpInRequest.Builder> change) {
        return new UdpOptions(change.apply(request.toBuilder()).build());
    }

    /**
     * Joins a multicast group; may be called several times.
     *
     * @param address the group's address
     * @param networkInterface the interface's name, or for IPv4 its address; empty: the system chooses
     * @return the options
     */
    public UdpOptions group(String address, String networkInterface) {
        return with(request -> request.addMulticastGroups(MulticastGroup.newBuilder().setAddress(address).setInterface(networkInterface)));
    }

    /**
     * SO_REUSEADDR; without it, on with groups only.
     *
     * @param reuse whether it is set
     * @return the options
     */
    public UdpOptions reuseAddress(boolean reuse) {
        return with(request -> request.setReuseAddress(reuse));
    }

    /**
     * After how much inactivity {@link Event.Kind#TIMEOUT} comes; without it, never.
     *
     * @param time at most a day
     * @return the options
     */
    public UdpOptions timeout(Duration time) {
        return with(request -> request.setTimeout(Options.duration(time)));
    }

    /**
     * As for TCP.
     *
     * @param time zero: for ever
     * @return the options
     */
    public UdpOptions orphanTimeout(Duration time) {
        return with(request -> request.setOrphanTimeout(Options.duration(time)));
    }

    /**
     * The socket's session id; without it, one is made up.
     *
     * @param id at most 128 bytes
     * @return the options
     */
    public UdpOptions sessionId(String id) {
        return with(request -> request.setSessionId(id));
    }
}
