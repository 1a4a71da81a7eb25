package gatewaytest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Relay passes connections on to a gateway and can break or hold them, as a network does.
type Relay struct {
	// Address is where it listens.
	Address string

	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	target string
	open   map[net.Conn]struct{}
	refuse bool
	// Closed while bytes flow.
	flow chan struct{}
	// Connections that were let through so far.
	count int
}

// NewRelay starts a relay to target. It ends with the test.
func NewRelay(t testing.TB, target string) *Relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{
		Address:  listener.Addr().String(),
		listener: listener,
		target:   target,
		open:     map[net.Conn]struct{}{},
		flow:     make(chan struct{}),
	}
	close(r.flow)
	r.running.Go(r.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		r.Resume()
		r.Cut()
		r.running.Wait()
	})
	return r
}

func (r *Relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		target, refuse := r.target, r.refuse
		r.mu.Unlock()
		far, err := net.Dial("tcp", target)
		if err != nil || refuse {
			reset(near)
			if err == nil {
				reset(far)
			}
			continue
		}
		r.mu.Lock()
		r.open[near], r.open[far] = struct{}{}, struct{}{}
		r.count++
		r.mu.Unlock()
		r.running.Go(func() { r.pass(near, far) })
		r.running.Go(func() { r.pass(far, near) })
	}
}

func (r *Relay) pass(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		r.mu.Lock()
		flow := r.flow
		r.mu.Unlock()
		<-flow
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err == io.EOF {
			// Both ways end: HTTP/2 has no half-closed connections.
			break
		}
		if err != nil {
			break
		}
	}
	r.mu.Lock()
	delete(r.open, from)
	delete(r.open, to)
	r.mu.Unlock()
	_ = from.Close()
	_ = to.Close()
}

// Cut resets every connection; new ones are let through.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.open {
		reset(conn)
	}
}

// Refuse makes new connections be reset, or lets them through again.
func (r *Relay) Refuse(refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = refuse
}

// Retarget makes new connections go elsewhere: a restarted gateway has another port.
func (r *Relay) Retarget(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
}

// Pause holds bytes back, both ways.
func (r *Relay) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flow = make(chan struct{})
}

// Resume lets them go on.
func (r *Relay) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.flow:
	default:
		close(r.flow)
	}
}

// Count gives how many connections were let through so far.
func (r *Relay) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
