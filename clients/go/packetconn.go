package socketgateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// PacketConn gives the socket as a net.PacketConn, so that code that knows nothing of gateways works over it. Addresses to write to are
// *net.UDPAddr, or have the form "host:port", where the gateway looks up the name.
func (u *UDPSocket) PacketConn() net.PacketConn {
	return &packetConn{socket: u, read: newDeadline(), write: newDeadline()}
}

type packetConn struct {
	socket      *UDPSocket
	read, write *deadline
}

// ReadFrom takes the next datagram; what does not fit is cut off, as the operating system does.
func (c *packetConn) ReadFrom(into []byte) (int, net.Addr, error) {
	if c.socket.socket.isClosed() {
		return 0, nil, c.opError("read", nil, net.ErrClosed)
	}
	stop := c.read.passed()
	select {
	case <-stop:
		return 0, nil, c.opError("read", nil, os.ErrDeadlineExceeded)
	default:
	}
	item, err := c.socket.socket.take(stop, false)
	if err != nil {
		return 0, nil, c.opError("read", nil, err)
	}
	datagram := datagramOf(item)
	return copy(into, datagram.Payload), net.UDPAddrFromAddrPort(datagram.From), nil
}

// WriteTo sends one datagram.
func (c *packetConn) WriteTo(payload []byte, to net.Addr) (int, error) {
	if c.socket.socket.isClosed() {
		return 0, c.opError("write", to, net.ErrClosed)
	}
	host, port, err := destination(to)
	if err != nil {
		return 0, c.opError("write", to, err)
	}
	stop := c.write.passed()
	select {
	case <-stop:
		return 0, c.opError("write", to, os.ErrDeadlineExceeded)
	default:
	}
	if _, err := c.socket.sendTo(stop, host, port, payload, nil); err != nil {
		return 0, c.opError("write", to, err)
	}
	return len(payload), nil
}

func destination(to net.Addr) (string, int, error) {
	if to == nil {
		return "", 0, errors.New("no destination")
	}
	if addr, err := netip.ParseAddrPort(to.String()); err == nil {
		return addr.Addr().String(), int(addr.Port()), nil
	}
	host, service, err := net.SplitHostPort(to.String())
	if err != nil {
		return "", 0, err
	}
	port, err := net.LookupPort("udp", service)
	if err != nil {
		return "", 0, fmt.Errorf("the destination's port: %w", err)
	}
	return host, port, nil
}

// Close closes the socket.
func (c *packetConn) Close() error {
	if err := c.socket.Close(); err != nil {
		return c.opError("close", nil, net.ErrClosed)
	}
	return nil
}

func (c *packetConn) LocalAddr() net.Addr { return c.socket.LocalAddr() }

func (c *packetConn) SetDeadline(at time.Time) error {
	c.read.set(at)
	c.write.set(at)
	return nil
}

func (c *packetConn) SetReadDeadline(at time.Time) error {
	c.read.set(at)
	return nil
}

func (c *packetConn) SetWriteDeadline(at time.Time) error {
	c.write.set(at)
	return nil
}

func (c *packetConn) opError(op string, to net.Addr, err error) error {
	switch {
	case err == errStopped:
		err = os.ErrDeadlineExceeded
	case err == ErrClosed:
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: "udp", Source: c.LocalAddr(), Addr: to, Err: err}
}
