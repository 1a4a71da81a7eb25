package socketgateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// LoadTLS makes a TLS configuration from PEM files. ca has the certificates that may have signed the gateway's; empty: those the system
// trusts. certificate and key are the client's own for mutual TLS, both empty where it has none.
func LoadTLS(ca, certificate, key string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("socketgateway: TLS: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("socketgateway: TLS: %s has no certificate in PEM", ca)
		}
	}
	if certificate != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("socketgateway: TLS: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// address splits what Dial was given into a target for gRPC and whether it asks for TLS.
func address(target string) (grpcTarget string, encrypted bool) {
	if rest, ok := strings.CutPrefix(target, "https://"); ok {
		return strings.TrimSuffix(rest, "/"), true
	}
	return strings.TrimSuffix(strings.TrimPrefix(target, "http://"), "/"), false
}

// security gives gRPC's options for TLS and the token.
func security(target string, encrypted bool, o *dialOptions) ([]grpc.DialOption, error) {
	transport := insecure.NewCredentials()
	if o.tls == nil && encrypted {
		o.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if o.tls != nil {
		transport = credentials.NewTLS(o.tls)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(transport)}
	if o.token == nil {
		return options, nil
	}
	if o.tls == nil && !o.plaintextToken && !isLocal(target) {
		return nil, errors.New("socketgateway: dial: a token would go in plaintext to another machine: use WithTLS, or " +
			"WithPlaintextToken where something else encrypts")
	}
	return append(options, grpc.WithPerRPCCredentials(bearer{o.token})), nil
}

func isLocal(target string) bool {
	if strings.HasPrefix(target, "unix:") {
		return true
	}
	_, endpoint, found := strings.Cut(target, ":///")
	if !found {
		endpoint = target
	}
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		host = endpoint
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// bearer sends the token with each call.
type bearer struct {
	source func(context.Context) (string, error)
}

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.source(ctx)
	if err != nil {
		return nil, fmt.Errorf("the token: %w", err)
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }
