package socketgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"sync"

	"google.golang.org/grpc/codes"
	pb "socketgateway.dev/gen/tcpip/v1"
)

// Listener is one TCP server socket of the gateway. Close it.
type Listener struct {
	gateway *Gateway
	id      string
	local   net.Addr
	options socketOptions
	// Opened by this Gateway, which closes it with itself.
	owned bool
	ready chan struct{}
	done  chan struct{}

	mu sync.Mutex
	// Accepted by the gateway and not here yet. Each has an envelope that is not acked, so the gateway's bound is theirs.
	waiting []*Session
	ended   bool
	err     error
	events  eventQueue
}

func newListener(g *Gateway, id string, bound *pb.Listening, o socketOptions, owned bool) *Listener {
	return &Listener{
		gateway: g,
		id:      id,
		local:   tcpAddr(bound.GetLocalHost(), bound.GetLocalPort()),
		options: o,
		owned:   owned,
		ready:   make(chan struct{}, 1),
		done:    make(chan struct{}),
		events:  newEventQueue(),
	}
}

// Listen opens a TCP server socket on the gateway. An empty host is all IPv4 addresses of its machine, "::" those of IPv6 as well; port 0
// is a free one, which Addr tells. The options are for the accepted sessions.
func (g *Gateway) Listen(ctx context.Context, host string, port int, options ...ListenOption) (*Listener, error) {
	var o socketOptions
	for _, option := range options {
		option.applyListen(&o)
	}
	if err := g.reached(ctx); err != nil {
		return nil, err
	}
	answer, err := g.rpc.TcpListen(ctx, &pb.TcpListenRequest{
		Host:          host,
		Port:          uint32(port),
		Subscriber:    g.subscriber,
		Mode:          o.mode,
		WaitFor:       o.waitFor,
		Timeout:       duration(o.timeout),
		OnTimeout:     o.onTimeout,
		AllowHalfOpen: o.halfOpen,
		OrphanTimeout: durationOf(o.orphanTimeout),
		RequestId:     requestID(o.requestID),
	})
	if err != nil {
		return nil, fromRPC(ctx, "listen", err)
	}
	return g.adoptListener(newListener(g, answer.GetListenerId(), answer.GetListening(), o, true))
}

// Listener gives a listener that is open in the gateway already for this client's subscriber name: one that the gateway's configuration
// declares, or one of an earlier run. An empty id stands for the only one.
func (g *Gateway) Listener(ctx context.Context, id string) (*Listener, error) {
	if err := g.reached(ctx); err != nil {
		return nil, err
	}
	found, err := g.findListener(ctx, id)
	if err != nil {
		return nil, err
	}
	bound := &pb.Listening{LocalHost: found.GetLocalHost(), LocalPort: found.GetLocalPort()}
	return g.adoptListener(newListener(g, found.GetListenerId(), bound, socketOptions{mode: found.GetMode()}, false))
}

func (g *Gateway) findListener(ctx context.Context, id string) (*pb.Listener, error) {
	request := &pb.ListListenersRequest{PageSize: 1000}
	var found []*pb.Listener
	for {
		page, err := g.admin.ListListeners(ctx, request)
		if err != nil {
			return nil, fromRPC(ctx, "listener", err)
		}
		for _, listener := range page.GetListeners() {
			if listener.GetSubscriber() == g.subscriber && (id == "" || id == listener.GetListenerId()) {
				found = append(found, listener)
			}
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			break
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	message := fmt.Sprintf("the subscriber %q has no listener with the id %q", g.subscriber, id)
	if id == "" {
		message = fmt.Sprintf("the subscriber %q has %d listeners; say which", g.subscriber, len(found))
	}
	return nil, &Error{Op: "listener", Code: codes.NotFound, Reason: ErrListenerNotFound, Message: message,
		Metadata: map[string]string{"listenerId": id}}
}

// adoptListener makes a listener known, unless it is already; it gives the one that is. Sessions it has accepted already go to it.
func (g *Gateway) adoptListener(l *Listener) (*Listener, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return nil, g.failed
	}
	if known := g.listeners[l.id]; known != nil {
		return known, nil
	}
	g.listeners[l.id] = l
	for _, id := range append([]string(nil), g.strays.order...) {
		first := g.strays.sessions[id][0]
		if first.GetListenerId() != l.id || first.GetEvent() != pb.Event_EVENT_CONNECTED || g.live[id] != nil {
			continue
		}
		session := l.offer(first)
		g.live[id] = &session.socket
		for _, envelope := range g.strays.remove(id) {
			if envelope.GetEvent() == pb.Event_EVENT_DISCONNECTED {
				delete(g.live, id)
				g.ended[&session.socket] = struct{}{}
			}
			session.socket.handle(envelope)
		}
	}
	return l, nil
}

// offer makes a session of a connection that announces itself. The gateway's lock is held.
func (l *Listener) offer(envelope *pb.Envelope) *Session {
	s := newSession(l.gateway, envelope.GetSessionId(), l.owned, &l.options)
	// Also where the listener was opened by an earlier run: the session is new.
	s.exclusive, s.offsetKnown = true, true
	s.listener = l.id
	s.socket.setEnds(envelope.GetConnected())
	s.socket.unaccepted = envelope.GetSequence()
	l.mu.Lock()
	l.waiting = append(l.waiting, s)
	closed := l.ended
	l.mu.Unlock()
	signal(l.ready)
	if closed {
		// Not here: the gateway's lock is held.
		l.gateway.background.Go(l.refuse)
	}
	return s
}

// ID is the listener's id in the gateway.
func (l *Listener) ID() string { return l.id }

// Addr is the address that is really bound, a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return l.local }

// Accept waits for the next visitor. After Close it is ErrClosed.
func (l *Listener) Accept(ctx context.Context) (*Session, error) {
	session, err := l.accept(ctx.Done())
	return session, stoppedBy(ctx, "accept", err)
}

// Sessions goes through the visitors as they come, until the listener is closed.
func (l *Listener) Sessions(ctx context.Context) iter.Seq2[*Session, error] {
	return each(ctx, func(ctx context.Context) (*Session, error) {
		session, err := l.Accept(ctx)
		if errors.Is(err, ErrClosed) {
			err = io.EOF
		}
		return session, err
	})
}

func (l *Listener) accept(stop <-chan struct{}) (*Session, error) {
	for {
		l.mu.Lock()
		if len(l.waiting) > 0 && !l.ended {
			session := l.waiting[0]
			l.waiting = l.waiting[1:]
			if len(l.waiting) > 0 {
				signal(l.ready)
			}
			l.mu.Unlock()
			session.socket.accepted()
			return session, nil
		}
		ended, err := l.ended, l.err
		l.mu.Unlock()
		if ended {
			signal(l.ready)
			return nil, err
		}
		select {
		case <-l.ready:
		case <-stop:
			signal(l.ready)
			return nil, errStopped
		}
	}
}

// accepted lets the gateway know that somebody has taken the session.
func (s *socket) accepted() {
	s.mu.Lock()
	s.unaccepted = 0
	acked, drained := s.ackable(), s.drained()
	s.mu.Unlock()
	s.note(acked, 0)
	if drained {
		s.gateway.forget(s)
	}
}

// NextEvent gives the next thing that happened to the listener, waiting for it; io.EOF after the last. What happens to its sessions is
// told by theirs.
func (l *Listener) NextEvent(ctx context.Context) (Event, error) {
	for {
		l.mu.Lock()
		event, ok, over := l.events.take()
		l.mu.Unlock()
		switch {
		case ok:
			return event, nil
		case over:
			signal(l.events.ready)
			return Event{}, io.EOF
		}
		select {
		case <-l.events.ready:
		case <-ctx.Done():
			return Event{}, stoppedBy(ctx, "events", errStopped)
		}
	}
}

// Done is closed when the listener has ended, by whomever.
func (l *Listener) Done() <-chan struct{} { return l.done }

// Close closes the listener. Sessions that were accepted live on; those that nobody has accepted here yet are closed.
func (l *Listener) Close() error {
	ctx, cancel := context.WithTimeout(l.gateway.ctx, closePatience)
	defer cancel()
	if !l.finish(ErrClosed) {
		return nil
	}
	_, err := l.unlisten(ctx, false)
	return err
}

// CloseWithSessions closes the listener and every session that it has accepted, and tells how many these are.
func (l *Listener) CloseWithSessions(ctx context.Context) (int, error) {
	l.finish(ErrClosed)
	return l.unlisten(ctx, true)
}

func (l *Listener) unlisten(ctx context.Context, sessions bool) (int, error) {
	answer, err := l.gateway.rpc.TcpUnlisten(ctx, &pb.TcpUnlistenRequest{
		ListenerId:    l.id,
		CloseSessions: sessions,
		Subscriber:    l.gateway.subscriber,
	})
	l.refuse()
	if failed := fromRPC(ctx, "unlisten", err); err != nil && !hasReason(failed, ErrListenerNotFound) {
		return 0, failed
	}
	return int(answer.GetSessionsClosing()), nil
}

// finish ends it here. False: it had ended already.
func (l *Listener) finish(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.ended, l.err = true, err
	close(l.done)
	signal(l.ready)
	return true
}

// refuse closes the sessions that nobody has accepted.
func (l *Listener) refuse() {
	l.mu.Lock()
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for _, session := range waiting {
		// It is closed once only.
		_ = session.Close()
	}
}

func (l *Listener) handle(envelope *pb.Envelope) {
	closed := envelope.GetEvent() == pb.Event_EVENT_CLOSED
	l.mu.Lock()
	l.events.add(eventOf(envelope))
	if closed {
		l.events.close()
	}
	l.mu.Unlock()
	if closed {
		l.finish(ErrClosed)
	}
}

func (l *Listener) lose(err error) {
	l.finish(err)
	l.mu.Lock()
	l.waiting = nil
	l.events.close()
	l.mu.Unlock()
}

// Net gives the listener as a net.Listener, so that servers that know nothing of gateways, http.Server for example, work on it. For
// binary sessions.
func (l *Listener) Net() net.Listener { return netListener{l} }

type netListener struct{ listener *Listener }

func (n netListener) Accept() (net.Conn, error) {
	session, err := n.listener.accept(nil)
	if err == nil {
		return session.Conn()
	}
	if err == ErrClosed {
		err = net.ErrClosed
	}
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: n.Addr(), Err: err}
}

func (n netListener) Close() error   { return n.listener.Close() }
func (n netListener) Addr() net.Addr { return n.listener.Addr() }

var _ interface {
	net.Conn
	CloseWrite() error
} = (*conn)(nil)

var _ net.Error = (*Error)(nil)
