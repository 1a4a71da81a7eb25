package socketgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Conn gives the session as a net.Conn, so that code that knows nothing of gateways works over it. For binary sessions; ErrWrongMode
// otherwise. Its reads and the session's own take the bytes from each other, so use one of both; it may begin after the other.
//
// It has a method CloseWrite, as *net.TCPConn has. After it the peer's answer can be read for as long as the gateway's close timeout
// (10 s): that is when a connection that was closed on one side ends.
//
// A write whose deadline passes may still be written, before later ones. It is reported as not written.
func (s *Session) Conn() (net.Conn, error) {
	if s.lines {
		return nil, ErrWrongMode
	}
	s.socket.mu.Lock()
	defer s.socket.mu.Unlock()
	return &conn{session: s, read: newDeadline(), write: newDeadline(), anywhere: s.socket.touched}, nil
}

// DialContext connects as net.Dialer.DialContext does, through the gateway: for http.Transport.DialContext, and for clients of databases that
// take a dialer. The network is "tcp", or "tcp4" and "tcp6", which make no difference here.
func (g *Gateway) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	failed := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: named{network, address}, Err: err}
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return failed(net.UnknownNetworkError(network))
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return failed(err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return failed(fmt.Errorf("the port must be a number: %q", service))
	}
	session, err := g.Connect(ctx, host, int(port), AllowHalfOpen())
	if err != nil {
		return failed(err)
	}
	return session.Conn()
}

// conn is a session as a net.Conn.
type conn struct {
	session     *Session
	read, write *deadline

	reading sync.Mutex
	// What is left of the envelope in hand.
	left   []byte
	inHand received
	// The position in the stream after what was taken. It may begin anywhere where something was taken before.
	position uint64
	anywhere bool

	writing     sync.Mutex
	writeClosed bool
}

// Read takes what has arrived; io.EOF once the peer has ended its direction.
func (c *conn) Read(into []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.session.socket.isClosed() {
		return 0, c.opError("read", net.ErrClosed)
	}
	stop := c.read.passed()
	select {
	case <-stop:
		return 0, c.opError("read", os.ErrDeadlineExceeded)
	default:
	}
	if len(into) == 0 {
		return 0, nil
	}
	for len(c.left) == 0 {
		item, err := c.session.socket.take(stop, true)
		switch {
		case err == io.EOF:
			return 0, io.EOF
		case errors.Is(err, errStopped):
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case err != nil:
			return 0, c.opError("read", err)
		}
		if item.data.GetOffset() != c.position && !c.anywhere {
			c.session.socket.release(item)
			return 0, c.opError("read", fmt.Errorf("%w: those from %d to %d", ErrElsewhere, c.position, item.data.GetOffset()))
		}
		c.position, c.anywhere = item.data.GetNextOffset(), false
		c.left, c.inHand = chunkOf(item.data), item
		if len(c.left) == 0 {
			c.session.socket.release(item)
		}
	}
	n := copy(into, c.left)
	if c.left = c.left[n:]; len(c.left) == 0 {
		c.left = nil
		c.session.socket.release(c.inHand)
	}
	return n, nil
}

// Write sends, and returns when the gateway's operating system has taken everything.
func (c *conn) Write(data []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.session.socket.isClosed() {
		return 0, c.opError("write", net.ErrClosed)
	}
	stop := c.write.passed()
	select {
	case <-stop:
		return 0, c.opError("write", os.ErrDeadlineExceeded)
	default:
	}
	if c.writeClosed {
		return 0, c.opError("write", syscall.EPIPE)
	}
	if len(data) == 0 {
		return 0, nil
	}
	n, err := c.session.write(c.session.socket.gateway.ctx, stop, data, sendOptions{})
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, errStopped):
		err = os.ErrDeadlineExceeded
	case c.session.socket.isClosed():
		err = net.ErrClosed
	}
	return n, c.opError("write", err)
}

// Close closes the connection in order and gives up what has not been read.
func (c *conn) Close() error {
	if err := c.session.Close(); err != nil {
		return c.opError("close", net.ErrClosed)
	}
	return nil
}

// CloseWrite ends the sending direction. See [Session.Conn] for how long the other one lives.
func (c *conn) CloseWrite() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.session.socket.isClosed() {
		return c.opError("close", net.ErrClosed)
	}
	c.writeClosed = true
	c.session.socket.hangUp()
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.session.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr { return c.session.RemoteAddr() }

func (c *conn) SetDeadline(at time.Time) error {
	c.read.set(at)
	c.write.set(at)
	return nil
}

func (c *conn) SetReadDeadline(at time.Time) error {
	c.read.set(at)
	return nil
}

func (c *conn) SetWriteDeadline(at time.Time) error {
	c.write.set(at)
	return nil
}

func (c *conn) opError(op string, err error) error {
	if err == ErrClosed {
		err = net.ErrClosed
	}
	local, remote := c.session.socket.addrs()
	return &net.OpError{Op: op, Net: "tcp", Source: local, Addr: remote, Err: err}
}

// deadline is a time that can be moved while it is waited for.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	// Closed when it has passed.
	done chan struct{}
}

func newDeadline() *deadline { return &deadline{done: make(chan struct{})} }

func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

func (d *deadline) set(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		// It is closing the channel, or has.
		<-d.done
	}
	d.timer = nil
	passed := false
	select {
	case <-d.done:
		passed = true
	default:
	}
	left := time.Until(at)
	if at.IsZero() || left > 0 {
		if passed {
			d.done = make(chan struct{})
		}
		if !at.IsZero() {
			done := d.done
			d.timer = time.AfterFunc(left, func() { close(done) })
		}
		return
	}
	if !passed {
		close(d.done)
	}
}
