package dev.socketgateway;

import dev.socketgateway.tcpip.v1.UdpOutRequest;
import java.util.function.UnaryOperator;

/** How a datagram is sent. Immutable: every method gives a new one. */
public final class DatagramOptions {
    final UdpOutRequest request;

    private DatagramOptions(UdpOutRequest request) {
        this.request = request;
    }

    /** {@return as a datagram is sent where nothing is said} */
    public static DatagramOptions none() {
        return new DatagramOptions(UdpOutRequest.getDefaultInstance());
    }

    private DatagramOptions with(UnaryOperator<UdpOutRequest.Builder> change) {
        return new DatagramOptions(change.apply(request.toBuilder()).build());
    }

    /** {@return a broadcast destination is allowed} */
    public DatagramOptions broadcast() {
        return with(request -> request.setBroadcast(true));
    }

    /**
     * How many routers a multicast datagram may pass; without it, none (1).
     *
     * @param hops 0 to 255
     * @return the options
     */
    public DatagramOptions multicastTtl(int hops) {
        return with(request -> request.setMulticastTtl(hops));
    }

    /**
     * Whether the gateway's own machine gets the multicast datagram too; without it, it does.
     *
     * @param loop whether it does
     * @return the options
     */
    public DatagramOptions multicastLoopback(boolean loop) {
        return with(request -> request.setMulticastLoopback(loop));
    }

    /**
     * Where multicast goes out.
     *
     * @param networkInterface the interface's name, or for IPv4 its address
     * @return the options
     */
    public DatagramOptions multicastInterface(String networkInterface) {
        return with(request -> request.setMulticastInterface(networkInterface));
    }
}
