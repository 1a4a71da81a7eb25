package socketgateway

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"google.golang.org/grpc"
)

// DialOption is an option of [Dial].
type DialOption func(*dialOptions)

type dialOptions struct {
	subscriber     string
	token          func(context.Context) (string, error)
	plaintextToken bool
	tls            *tls.Config
	heartbeat      time.Duration
	reconnect      time.Duration
	logger         *slog.Logger
	grpc           []grpc.DialOption
}

// WithSubscriber names this client to the gateway: what is opened for this name, by whomever, arrives here. Without it, the client makes up
// a name that nobody else has. Two clients of one name get the same; use that only on purpose.
func WithSubscriber(name string) DialOption {
	return func(o *dialOptions) { o.subscriber = name }
}

// WithToken tells the gateway who calls. A token goes over TLS, or over plaintext to this machine; anything else needs [WithPlaintextToken].
func WithToken(token string) DialOption {
	return WithTokenSource(func(context.Context) (string, error) { return token, nil })
}

// WithTokenSource is WithToken for tokens that change: source is asked before each call, so it should keep what it has.
func WithTokenSource(source func(context.Context) (string, error)) DialOption {
	return func(o *dialOptions) { o.token = source }
}

// WithPlaintextToken lets the token go over plaintext to another machine, where whoever is on the way can read it: only where something else
// encrypts, as a service mesh does.
func WithPlaintextToken() DialOption {
	return func(o *dialOptions) { o.plaintextToken = true }
}

// WithTLS encrypts, and checks the gateway's certificate as config says. For mutual TLS, put the client's certificate into
// config.Certificates. [LoadTLS] makes a config from files.
func WithTLS(config *tls.Config) DialOption {
	return func(o *dialOptions) { o.tls = config.Clone() }
}

// WithHeartbeat sets how often the gateway says that it lives when it has nothing else to say: by default every 10 s, at the least every
// second, 0: never. A stream that is silent for three times as long is taken for broken.
func WithHeartbeat(every time.Duration) DialOption {
	return func(o *dialOptions) { o.heartbeat = every }
}

// WithReconnectTimeout sets for how long a broken stream is tried to be taken up before everything ends with its error: by default 5 min,
// after which the gateway has closed the sessions anyway.
func WithReconnectTimeout(patience time.Duration) DialOption {
	return func(o *dialOptions) { o.reconnect = patience }
}

// WithLogger tells about broken and resumed streams. Without it, nothing is logged.
func WithLogger(logger *slog.Logger) DialOption {
	return func(o *dialOptions) { o.logger = logger }
}

// WithGRPC passes options on to gRPC, after this client's own: interceptors, statistics, a dialer.
func WithGRPC(options ...grpc.DialOption) DialOption {
	return func(o *dialOptions) { o.grpc = append(o.grpc, options...) }
}
