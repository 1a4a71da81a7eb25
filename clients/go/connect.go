package socketgateway

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	pb "socketgateway.dev/gen/tcpip/v1"
)

// abandonPatience is how long a dial that was given up may take to be aborted.
const abandonPatience = 5 * time.Second

// LineEnding is what ends a line that is sent.
type LineEnding string

// The line endings the gateway knows.
const (
	NoEnding LineEnding = ""
	LF       LineEnding = "\n"
	CRLF     LineEnding = "\r\n"
	CR       LineEnding = "\r"
)

func (e LineEnding) proto() pb.LineTerminator {
	switch e {
	case LF:
		return pb.LineTerminator_LINE_TERMINATOR_LF
	case CRLF:
		return pb.LineTerminator_LINE_TERMINATOR_CRLF
	case CR:
		return pb.LineTerminator_LINE_TERMINATOR_CR
	}
	return pb.LineTerminator_LINE_TERMINATOR_NONE
}

// ConnectOption is an option of [Gateway.Connect].
type ConnectOption interface{ applyConnect(*socketOptions) }

// ListenOption is an option of [Gateway.Listen].
type ListenOption interface{ applyListen(*socketOptions) }

// SocketOption is an option of both Connect and Listen, where it is for the accepted sessions.
type SocketOption func(*socketOptions)

func (o SocketOption) applyConnect(to *socketOptions) { o(to) }
func (o SocketOption) applyListen(to *socketOptions)  { o(to) }

type connectOnly func(*socketOptions)

func (o connectOnly) applyConnect(to *socketOptions) { o(to) }

type socketOptions struct {
	mode           pb.TcpMode
	waitFor        string
	ending         *LineEnding
	timeout        time.Duration
	onTimeout      pb.TimeoutAction
	connectTimeout *time.Duration
	orphanTimeout  *time.Duration
	halfOpen       bool
	noWait         bool
	sessionID      string
	requestID      string
}

// lineEnding gives what ends lines: what was asked for, else LF in line mode and nothing in binary mode.
func (o *socketOptions) lineEnding() LineEnding {
	switch {
	case o.ending != nil:
		return *o.ending
	case o.mode == pb.TcpMode_TCP_MODE_LINE:
		return LF
	}
	return NoEnding
}

// LineMode splits what arrives into lines, at LF, CR LF or CR.
func LineMode() SocketOption {
	return func(o *socketOptions) { o.mode = pb.TcpMode_TCP_MODE_LINE }
}

// WithLineEnding sets what SendLine and Exchange append: by default LF in line mode, and nothing in binary mode.
func WithLineEnding(ending LineEnding) SocketOption {
	return func(o *socketOptions) { o.ending = &ending }
}

// InactivityTimeout makes an [Inactive] event of it when nothing was sent or received for this long. Accepted sessions are closed then and
// dialled ones stay open, unless CloseWhenInactive or KeepWhenInactive says otherwise.
func InactivityTimeout(after time.Duration) SocketOption {
	return func(o *socketOptions) { o.timeout = after }
}

// CloseWhenInactive closes the session when its inactivity timeout fires.
func CloseWhenInactive() SocketOption {
	return func(o *socketOptions) { o.onTimeout = pb.TimeoutAction_TIMEOUT_ACTION_CLOSE }
}

// KeepWhenInactive keeps the session open when its inactivity timeout fires.
func KeepWhenInactive() SocketOption {
	return func(o *socketOptions) { o.onTimeout = pb.TimeoutAction_TIMEOUT_ACTION_KEEP }
}

// AllowHalfOpen keeps the sending direction open after the peer has ended its own, until Disconnect or Close.
func AllowHalfOpen() SocketOption {
	return func(o *socketOptions) { o.halfOpen = true }
}

// OrphanTimeout sets when the gateway closes a session to which no client is attached and which nobody touches; 0: never. Without it, the
// gateway's default (5 min).
func OrphanTimeout(after time.Duration) SocketOption {
	return func(o *socketOptions) { o.orphanTimeout = &after }
}

// ConnectTimeout sets how long connecting may take, the lookup of the name included: at most 60 s. Without it, the gateway's default (10 s).
func ConnectTimeout(after time.Duration) ConnectOption {
	return connectOnly(func(o *socketOptions) { o.connectTimeout = &after })
}

// NoWait makes Connect return at once, with a session that is still connecting. Its events tell how that goes.
func NoWait() ConnectOption {
	return connectOnly(func(o *socketOptions) { o.noWait = true })
}

// SessionID gives the session an id of the caller's.
func SessionID(id string) ConnectOption {
	return connectOnly(func(o *socketOptions) { o.sessionID = id })
}

// RequestID gives the call an id: a repetition with the same one, by a restarted program for example, gets the same session or listener, as
// long as that lives.
func RequestID(id string) SocketOption {
	return func(o *socketOptions) { o.requestID = id }
}

// Connect opens a TCP connection from the gateway to host and port and waits until it is open. The host is a name or an address.
//
// When the context ends, the dial is given up.
func (g *Gateway) Connect(ctx context.Context, host string, port int, options ...ConnectOption) (*Session, error) {
	var o socketOptions
	for _, option := range options {
		option.applyConnect(&o)
	}
	if err := g.reached(ctx); err != nil {
		return nil, err
	}
	id := o.sessionID
	if id == "" {
		id = "sess-" + strings.ToLower(rand.Text())
	}
	s := newSession(g, id, true, &o)
	// Known before it exists, so that nothing of it comes too early. Where the id is in use here, the gateway says so too, or it has just
	// become free.
	early := g.expect(&s.socket)
	if early != nil && early != errTaken {
		return nil, early
	}
	request := &pb.TcpConnectRequest{
		Host:           host,
		Port:           uint32(port),
		Subscriber:     g.subscriber,
		SessionId:      id,
		Mode:           o.mode,
		WaitFor:        o.waitFor,
		Timeout:        duration(o.timeout),
		OnTimeout:      o.onTimeout,
		ConnectTimeout: durationOf(o.connectTimeout),
		NoWait:         o.noWait,
		AllowHalfOpen:  o.halfOpen,
		OrphanTimeout:  durationOf(o.orphanTimeout),
		RequestId:      requestID(o.requestID),
	}
	s.socket.remote = named{"tcp", net.JoinHostPort(host, strconv.Itoa(port))}
	answer, err := g.rpc.TcpConnect(ctx, request)
	if err != nil {
		failed := fromRPC(ctx, "connect", err)
		if early == nil {
			g.abandon(&s.socket, hasReason(failed, ErrSessionIDConflict))
			g.giveUpDial(ctx, id)
		}
		return nil, failed
	}
	if answer.GetSessionId() != id {
		// A repetition of an earlier run's call: its session has the id of that time.
		g.abandon(&s.socket, false)
		return g.Session(ctx, answer.GetSessionId())
	}
	if early != nil {
		if err := g.adopt(&s.socket); err != nil {
			return nil, err
		}
	}
	s.socket.mu.Lock()
	s.socket.setEnds(answer.GetConnected())
	s.socket.mu.Unlock()
	return s, nil
}

// giveUpDial aborts what the caller has lost patience with: it may be opened yet.
func (g *Gateway) giveUpDial(ctx context.Context, id string) {
	if ctx.Err() == nil {
		return
	}
	g.later(abandonPatience, func(ctx context.Context) {
		// It may not exist at all.
		_, _ = g.rpc.TcpDisconnect(ctx, &pb.TcpDisconnectRequest{SessionId: id, Abort: true})
	})
}

// requestID makes the call safe to repeat.
func requestID(own string) string {
	if own != "" {
		return own
	}
	return rand.Text()
}

func duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func durationOf(d *time.Duration) *durationpb.Duration {
	if d == nil {
		return nil
	}
	return durationpb.New(*d)
}

// tcpAddr makes an address of what the gateway says; a name, as a session has while connecting, becomes one without an IP.
func tcpAddr(host string, port uint32) net.Addr {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return named{"tcp", net.JoinHostPort(host, strconv.Itoa(int(port)))}
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, uint16(port)))
}

// named is an address by name.
type named struct{ network, address string }

func (n named) Network() string { return n.network }
func (n named) String() string  { return n.address }
