package dev.socketgateway;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.nio.channels.SocketChannel;

/** A {@link Socket} whose connection is the gateway's. All but names is in {@link SessionSocketImpl}. */
final class SessionSocket extends Socket {
    private SessionSocket(SessionSocketImpl impl) throws SocketException {
        super(impl);
    }

    /** One that is not connected yet. */
    static SessionSocket through(Gateway gateway) throws SocketException {
        return new SessionSocket(new SessionSocketImpl(gateway));
    }

    /** One that is connected already. */
    static SessionSocket over(Session session) throws IOException {
        SessionSocket socket = new SessionSocket(new SessionSocketImpl(session));
        // Lets the socket know. The session is there, so nothing is dialled.
        InetSocketAddress remote = session.remoteAddress();
        socket.connect(remote == null ? new InetSocketAddress(0) : remote);
        return socket;
    }

    @Override
    public void connect(SocketAddress to) throws IOException {
        connect(to, 0);
    }

    @Override
    public void connect(SocketAddress to, int timeout) throws IOException {
        if (to instanceof InetSocketAddress named && named.isUnresolved()) {
            // A name is the gateway's to look up; newer sockets of Java take none that this machine does not know. The address is never used.
            InetAddress unknown = InetAddress.getByAddress(named.getHostString(), new byte[4]);
            super.connect(new InetSocketAddress(unknown, named.getPort()), timeout);
        } else {
            super.connect(to, timeout);
        }
    }

    /** There is none: the bytes go over gRPC. */
    @Override
    public SocketChannel getChannel() {
        return null;
    }
}
