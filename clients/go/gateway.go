package socketgateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
	pb "socketgateway.dev/gen/tcpip/v1"
)

const (
	// closePatience is how long Close waits for the gateway to take the closes of what is open.
	closePatience = 5 * time.Second
	// keepaliveTime and keepaliveTimeout find out about a connection that died without a word.
	keepaliveTime    = 20 * time.Second
	keepaliveTimeout = 10 * time.Second
	// datagramsAtOnce is how many datagrams may wait for their answer.
	datagramsAtOnce = 1024
)

// Calls that are safe to repeat are repeated while the gateway is not reached. Connect, Listen and UDPIn carry an id by which the gateway
// recognises the repetition.
const serviceConfig = `{"methodConfig": [{
  "name": [
    {"service": "tcpip.v1.SocketGatewayService", "method": "TcpConnect"},
    {"service": "tcpip.v1.SocketGatewayService", "method": "TcpListen"},
    {"service": "tcpip.v1.SocketGatewayService", "method": "UdpIn"},
    {"service": "tcpip.v1.SocketGatewayService", "method": "TcpDisconnect"},
    {"service": "tcpip.v1.SessionService", "method": "ListSessions"},
    {"service": "tcpip.v1.SessionService", "method": "GetSession"},
    {"service": "tcpip.v1.SessionService", "method": "ListListeners"},
    {"service": "tcpip.v1.SessionService", "method": "ListSubscribers"}
  ],
  "retryPolicy": {
    "maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"]
  }
}]}`

// Gateway is a connection to a socket gateway, with the one stream that carries all its sessions. Close it.
type Gateway struct {
	subscriber string
	options    dialOptions
	channel    *grpc.ClientConn
	rpc        pb.SocketGatewayServiceClient
	admin      pb.SessionServiceClient
	acks       *acks
	writable   chan struct{}
	// Holds the datagrams that are being sent.
	datagrams chan struct{}
	// Ends with Close.
	ctx    context.Context
	cancel context.CancelFunc
	// Closed when everything that runs has ended.
	stopped    chan struct{}
	background sync.WaitGroup
	// Counts how often the gateway has forgotten this client.
	generation atomic.Uint64

	mu sync.Mutex
	// Sessions and UDP sockets by id, until their last envelope.
	live map[string]*socket
	// Ended, with something left to take.
	ended     map[*socket]struct{}
	listeners map[string]*Listener
	strays    strays
	// Why nothing works any more.
	failed error
	// Closed while a stream is attached.
	attached    chan struct{}
	isAttached  bool
	lastCommand uint64
	unanswered  map[uint64]*command
	queue       []*command
	// What each session may have in unanswered sends.
	credit uint64

	// Only for the goroutine that reads the stream.
	instance, epoch string
	newest          uint64
}

// Dial connects to the gateway at target and attaches to it. The target is "host:port", or one of gRPC's ("dns:///…", "unix:…"); with
// "https://" before the host and port, or [WithTLS], the connection is encrypted.
//
// The context is for dialling only.
func Dial(ctx context.Context, target string, options ...DialOption) (*Gateway, error) {
	o := dialOptions{
		subscriber: "go-" + strings.ToLower(rand.Text()),
		heartbeat:  10 * time.Second,
		reconnect:  5 * time.Minute,
		logger:     slog.New(slog.DiscardHandler),
	}
	for _, option := range options {
		option(&o)
	}
	grpcTarget, encrypted := address(target)
	secure, err := security(grpcTarget, encrypted, &o)
	if err != nil {
		return nil, err
	}
	channel, err := grpc.NewClient(grpcTarget, append(append(secure,
		grpc.WithUserAgent("socket-gateway-go/"+Version),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithIdleTimeout(0),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
	), o.grpc...)...)
	if err != nil {
		return nil, fmt.Errorf("socketgateway: dial: %w", err)
	}
	g := &Gateway{
		subscriber: o.subscriber,
		options:    o,
		channel:    channel,
		rpc:        pb.NewSocketGatewayServiceClient(channel),
		admin:      pb.NewSessionServiceClient(channel),
		writable:   make(chan struct{}, 1),
		datagrams:  make(chan struct{}, datagramsAtOnce),
		stopped:    make(chan struct{}),
		live:       map[string]*socket{},
		ended:      map[*socket]struct{}{},
		listeners:  map[string]*Listener{},
		strays:     newStrays(),
		attached:   make(chan struct{}),
		unanswered: map[uint64]*command{},
	}
	g.acks = newAcks(func() { signal(g.writable) })
	g.ctx, g.cancel = context.WithCancel(context.Background())
	first, err := g.open(ctx, nil)
	if err != nil {
		g.cancel()
		return nil, closing(channel, fromRPC(ctx, "dial "+target, err))
	}
	go g.run(first)
	return g, nil
}

func closing(channel *grpc.ClientConn, err error) error {
	// It fails only where it was closed before.
	_ = channel.Close()
	return err
}

// Subscriber is the name by which the gateway knows this client.
func (g *Gateway) Subscriber() string { return g.subscriber }

// Channel is the gRPC connection, for calls of the generated stubs (package socketgateway.dev/gen/tcpip/v1) that this package has no
// method for.
func (g *Gateway) Channel() *grpc.ClientConn { return g.channel }

// Close closes what this Gateway has opened, in order (what was sent is still written), and the connection. Sessions and listeners
// that others opened stay. It waits no longer than a few seconds.
func (g *Gateway) Close() error { return g.shut(true) }

// Detach closes the connection and leaves open in the gateway what is open. Another client with the same subscriber name, or this program
// after its restart, can go on with it by [Gateway.Session] and [Gateway.Listener]; otherwise the gateway closes the sessions after their
// orphan timeout.
func (g *Gateway) Detach() error { return g.shut(false) }

func (g *Gateway) shut(hangUp bool) error {
	g.mu.Lock()
	over := g.failed == ErrClosed
	g.mu.Unlock()
	if over {
		return ErrClosed
	}
	if hangUp {
		ctx, cancel := context.WithTimeout(g.ctx, closePatience)
		g.closeAll(ctx)
		cancel()
	}
	g.fail(ErrClosed)
	g.cancel()
	<-g.stopped
	g.background.Wait()
	g.acks.stop()
	return closing(g.channel, nil)
}

// closeAll closes what was opened here, all at once, and waits for the gateway to have understood it.
func (g *Gateway) closeAll(ctx context.Context) {
	g.mu.Lock()
	var sockets []*socket
	for _, known := range g.live {
		if known.owned {
			sockets = append(sockets, known)
		}
	}
	var listeners []*Listener
	for _, listener := range g.listeners {
		if listener.owned {
			listeners = append(listeners, listener)
		}
	}
	reachable := g.isAttached
	g.mu.Unlock()
	if !reachable {
		return
	}
	var waiting sync.WaitGroup
	for _, listener := range listeners {
		listener.finish(ErrClosed)
		waiting.Go(func() { _, _ = listener.unlisten(ctx, false) })
	}
	for _, known := range sockets {
		known.discard()
		waiting.Go(func() { _ = known.disconnect(ctx, false) })
	}
	waiting.Wait()
}

// fail ends everything with this error.
func (g *Gateway) fail(err error) {
	g.mu.Lock()
	if g.failed != nil {
		g.mu.Unlock()
		return
	}
	g.failed = err
	if !g.isAttached {
		close(g.attached)
		g.isAttached = true
	}
	g.mu.Unlock()
	g.loseAll(err)
	g.giveUp(err, func(*command) bool { return true })
}

// loseAll ends every session, UDP socket and listener with this error: nobody will tell their end.
func (g *Gateway) loseAll(err error) {
	g.generation.Add(1)
	g.mu.Lock()
	live, listeners := g.live, g.listeners
	g.live, g.listeners = map[string]*socket{}, map[string]*Listener{}
	g.ended = map[*socket]struct{}{}
	g.strays = newStrays()
	g.mu.Unlock()
	for _, listener := range listeners {
		listener.lose(err)
	}
	for _, known := range live {
		known.lose(err)
	}
	g.giveUp(err, func(asked *command) bool { return asked.session != nil || asked.request.GetTcpDisconnect() != nil })
}

// reached waits until a stream is attached, so that what is opened now is opened in the gateway whose events are listened to.
func (g *Gateway) reached(ctx context.Context) error {
	for {
		g.mu.Lock()
		failed, attached, up := g.failed, g.attached, g.isAttached
		g.mu.Unlock()
		if failed != nil {
			return failed
		}
		if up {
			return nil
		}
		select {
		case <-attached:
		case <-ctx.Done():
			return fmt.Errorf("socketgateway: the gateway is not reached: %w", context.Cause(ctx))
		}
	}
}

// later runs what Close waits for.
func (g *Gateway) later(patience time.Duration, run func(context.Context)) {
	g.background.Go(func() {
		ctx, cancel := context.WithTimeout(g.ctx, patience)
		defer cancel()
		run(ctx)
	})
}
