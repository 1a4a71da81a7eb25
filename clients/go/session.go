package socketgateway

import (
	"context"
	"errors"
	"iter"
	"net"
	"sync"

	"google.golang.org/grpc/codes"
	pb "socketgateway.dev/gen/tcpip/v1"
)

// errTaken says that a session of this id is known already.
var errTaken = errors.New("socketgateway: this client has a session of this id already")

// Session is one TCP connection of the gateway, dialled or accepted. Close it, also when it has ended: only then what nobody has read
// is let go.
type Session struct {
	socket   socket
	listener string
	lines    bool
	ending   LineEnding
	// Whether a send may name the offset that it expects.
	exclusive bool
	// Held by the one send that is not answered yet.
	sending  chan struct{}
	credited chan struct{}
	// Bytes handed to the stream that is attached, and how many that may be. Under the gateway's lock.
	streamSent, streamLimit uint64

	reading sync.Mutex
	// Lines of a match that was taken apart, for NextLine.
	left []string

	writing     sync.Mutex
	offset      uint64
	offsetKnown bool
	exchanges   int
}

func newSession(gateway *Gateway, id string, owned bool, o *socketOptions) *Session {
	s := &Session{
		socket:    newSocket(gateway, id, owned),
		lines:     o.mode == pb.TcpMode_TCP_MODE_LINE,
		ending:    o.lineEnding(),
		exclusive: owned,
		sending:   make(chan struct{}, 1),
		credited:  make(chan struct{}, 1),
		// What was opened here begins at 0.
		offsetKnown: owned,
	}
	s.socket.session = s
	return s
}

// ID is the session's id in the gateway.
func (s *Session) ID() string { return s.socket.id }

// ListenerID is the id of the listener that accepted it; empty where it was dialled.
func (s *Session) ListenerID() string { return s.listener }

// LocalAddr is the gateway's end of the connection, a *net.TCPAddr.
func (s *Session) LocalAddr() net.Addr {
	local, _ := s.socket.addrs()
	return local
}

// RemoteAddr is the peer's end of the connection, a *net.TCPAddr.
func (s *Session) RemoteAddr() net.Addr {
	_, remote := s.socket.addrs()
	return remote
}

// NextEvent gives the next thing that happened to the session, waiting for it; io.EOF after the last. The newest 256 wait to be taken,
// and Event.Missed counts those that had no room.
func (s *Session) NextEvent(ctx context.Context) (Event, error) { return s.socket.nextEvent(ctx) }

// Events goes through what happens to the session, to its end.
func (s *Session) Events(ctx context.Context) iter.Seq2[Event, error] { return each(ctx, s.NextEvent) }

// Disconnect closes the connection in order: what was sent before is still written, then comes the FIN. What the peer says until it
// ends its own side can still be read, for as long as the gateway's close timeout (10 s). That the session has ended already is no error.
func (s *Session) Disconnect(ctx context.Context) error { return s.socket.disconnect(ctx, false) }

// Abort resets the connection at once; what was not written yet is thrown away. That the session has ended already is no error.
func (s *Session) Abort(ctx context.Context) error { return s.socket.disconnect(ctx, true) }

// Done is closed when the session has ended. What has arrived before can still be read.
func (s *Session) Done() <-chan struct{} { return s.socket.done }

// Closed waits for the end of the session and tells why it ended.
func (s *Session) Closed(ctx context.Context) (End, error) { return s.socket.closedWith(ctx) }

// Close gives the session up: it asks for an orderly close without waiting for it, and lets go of what has not been read. Later calls are
// ErrClosed. A session that another client has opened is only let go; Disconnect and Abort close that too.
func (s *Session) Close() error {
	if !s.socket.discard() {
		return ErrClosed
	}
	s.socket.hangUp()
	return nil
}

// Claim makes the session's data come to this client, and tells to which subscriber it went before. [WaitFor] gives the claim a pattern.
func (s *Session) Claim(ctx context.Context, options ...SendOption) (previous string, err error) {
	o := sendOptionsOf(options)
	answer, err := s.socket.gateway.admin.ClaimData(ctx, &pb.ClaimDataRequest{
		SessionId:  s.socket.id,
		Subscriber: s.socket.gateway.subscriber,
		WaitFor:    o.waitFor,
	})
	if err != nil {
		return "", fromRPC(ctx, "claim", err)
	}
	return answer.GetPreviousSubscriber(), nil
}

func notFound(op, id string, reason CloseReason) error {
	return &Error{
		Op:       op,
		Code:     codes.NotFound,
		Reason:   ErrSessionNotFound,
		Message:  "the session has ended: " + reason.sentence(),
		Metadata: map[string]string{"sessionId": id, "closeReason": string(reason)},
	}
}

// Session gives a session that is open in the gateway already: one of an earlier run under this client's subscriber name, one that the
// gateway's configuration declares, or one that another client opened. Data comes from it once this client holds its claim: the opener's
// name has it from the beginning, [Claim] or a send with [ClaimData] moves it here.
//
// The end of a session is told to its opener only: where that is another, a send or GetSession finds out.
func (g *Gateway) Session(ctx context.Context, id string) (*Session, error) {
	if err := g.reached(ctx); err != nil {
		return nil, err
	}
	g.mu.Lock()
	known := g.live[id]
	g.mu.Unlock()
	if known != nil && known.session != nil {
		return known.session, nil
	}
	answer, err := g.admin.GetSession(ctx, &pb.GetSessionRequest{SessionId: id})
	if err != nil {
		return nil, fromRPC(ctx, "session", err)
	}
	found := answer.GetSession()
	if found.GetKind() == pb.SessionKind_SESSION_KIND_UDP {
		return nil, &Error{Op: "session", Code: codes.FailedPrecondition, Reason: ErrSessionNotConnected,
			Message: "this is a UDP socket", Metadata: map[string]string{"sessionId": id}}
	}
	s := newSession(g, id, false, &socketOptions{mode: found.GetMode()})
	s.listener = found.GetListenerId()
	s.socket.lent = found.GetLifecycleSubscriber() != g.subscriber
	// It may have been read for long.
	s.socket.touched = true
	s.socket.remote = tcpAddr(found.GetRemoteHost(), found.GetRemotePort())
	s.socket.local = tcpAddr(found.GetLocalHost(), found.GetLocalPort())
	if err := g.adopt(&s.socket); err != nil {
		return nil, err
	}
	return s, nil
}
