package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	konnectivity "sigs.k8s.io/apiserver-network-proxy/konnectivity-client/pkg/client"
	"socketgateway.dev"
)

// patience is how long a relay may take to be ready.
const patience = 20 * time.Second

// relays are the programs under comparison while they run.
type relays struct {
	scratch string
	peer    string
	running []*exec.Cmd
	closing []func()
}

// start starts them all and gives the ways through them, the direct one first.
func (r *relays) start(ctx context.Context, paths tools) ([]way, error) {
	if err := paths.check(); err != nil {
		return nil, err
	}
	ways := []way{{"no relay", func(ctx context.Context) (net.Conn, error) { return dialTCP(ctx, r.peer) }}}
	for _, begin := range []func(context.Context, tools) (way, error){r.gateway, r.konnectivity, r.haproxy, r.socat} {
		way, err := begin(ctx, paths)
		if err != nil {
			return nil, err
		}
		ways = append(ways, way)
	}
	return ways, nil
}

// stop ends them.
func (r *relays) stop() {
	for _, done := range r.closing {
		done()
	}
	for _, command := range r.running {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", address)
}

// freePort is a port that nobody uses now.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

func (r *relays) run(name string, args ...string) (*exec.Cmd, error) {
	command := exec.Command(name, args...)
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.running = append(r.running, command)
	return command, nil
}

// reachable waits until something listens there.
func reachable(network, address string) error {
	deadline := time.Now().Add(patience)
	for {
		conn, err := net.Dial(network, address)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nobody listens on %s: %w", address, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// gateway: one Attach stream for all sessions, as every client library has it.
func (r *relays) gateway(ctx context.Context, paths tools) (way, error) {
	command := exec.Command(paths.gateway, "serve", "--listen", "127.0.0.1:0", "--log-format", "json")
	stderr, err := command.StderrPipe()
	if err != nil {
		return way{}, err
	}
	if err := command.Start(); err != nil {
		return way{}, fmt.Errorf("%s: %w", paths.gateway, err)
	}
	r.running = append(r.running, command)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), "socket-gateway is ready") {
			continue
		}
		target, err := readyAddress(lines.Bytes())
		if err != nil {
			return way{}, err
		}
		go io.Copy(io.Discard, stderr)
		client, err := socketgateway.Dial(ctx, target)
		if err != nil {
			return way{}, err
		}
		r.closing = append(r.closing, func() { _ = client.Close() })
		dial := func(ctx context.Context) (net.Conn, error) { return client.DialContext(ctx, "tcp", r.peer) }
		return way{"socket-gateway (Go client)", dial}, nil
	}
	return way{}, errors.New("the gateway ended before it was ready")
}

func readyAddress(line []byte) (string, error) {
	var record map[string]any
	if err := json.Unmarshal(line, &record); err != nil {
		return "", err
	}
	if fields, ok := record["fields"].(map[string]any); ok {
		record = fields
	}
	address, ok := record["address"].(string)
	if !ok {
		return "", fmt.Errorf("no address in %s", line)
	}
	return address, nil
}

// konnectivity in grpc mode: the client reaches the server over a Unix socket without TLS, as an API server on the same host
// does; the agent reaches it over TLS, which it insists on. Each connection has a tunnel of its own, as API servers make them.
func (r *relays) konnectivity(ctx context.Context, paths tools) (way, error) {
	certificate, key, err := r.certificate()
	if err != nil {
		return way{}, err
	}
	socket := filepath.Join(r.scratch, "konnectivity.sock")
	var ports [5]string
	for at := range ports {
		if ports[at], err = freePort(); err != nil {
			return way{}, err
		}
	}
	_, err = r.run(paths.konnectivityServer, "--mode=grpc", "--uds-name="+socket, "--server-port=0",
		"--agent-bind-address=127.0.0.1", "--agent-port="+ports[0], "--cluster-cert="+certificate, "--cluster-key="+key,
		"--admin-bind-address=127.0.0.1", "--admin-port="+ports[1],
		"--health-bind-address=127.0.0.1", "--health-port="+ports[2])
	if err != nil {
		return way{}, err
	}
	if err := reachable("tcp", "127.0.0.1:"+ports[0]); err != nil {
		return way{}, err
	}
	if err := reachable("unix", socket); err != nil {
		return way{}, err
	}
	_, err = r.run(paths.konnectivityAgent, "--proxy-server-host=127.0.0.1", "--proxy-server-port="+ports[0], "--ca-cert="+certificate,
		"--admin-bind-address=127.0.0.1", "--admin-server-port="+ports[3],
		"--health-server-host=127.0.0.1", "--health-server-port="+ports[4])
	if err != nil {
		return way{}, err
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		tunnel, err := konnectivity.CreateSingleUseGrpcTunnelWithContext(ctx, context.Background(), "unix://"+socket,
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		return tunnel.DialContext(ctx, "tcp", r.peer)
	}
	// The agent announces itself some time after it has started.
	deadline := time.Now().Add(patience)
	for {
		conn, err := dial(ctx)
		if err == nil {
			return way{"konnectivity (grpc mode)", dial}, conn.Close()
		}
		if time.Now().After(deadline) {
			return way{}, fmt.Errorf("konnectivity: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// certificate makes one for 127.0.0.1 that signs itself.
func (r *relays) certificate() (certificate, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "127.0.0.1"},
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return "", "", err
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return "", "", err
	}
	certificate, key = filepath.Join(r.scratch, "tls.crt"), filepath.Join(r.scratch, "tls.key")
	write := func(path, kind string, der []byte) error {
		return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
	}
	return certificate, key, errors.Join(write(certificate, "CERTIFICATE", der), write(key, "EC PRIVATE KEY", keyDER))
}

// haproxy as a plain TCP relay, with as many threads as it likes.
func (r *relays) haproxy(_ context.Context, _ tools) (way, error) {
	port, err := freePort()
	if err != nil {
		return way{}, err
	}
	config := filepath.Join(r.scratch, "haproxy.cfg")
	text := fmt.Sprintf(`defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen relay
  bind 127.0.0.1:%s
  server peer %s
`, port, r.peer)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return way{}, err
	}
	return r.plain("HAProxy (mode tcp)", port, "haproxy", "-db", "-f", config)
}

// socat forks for every connection.
func (r *relays) socat(_ context.Context, _ tools) (way, error) {
	port, err := freePort()
	if err != nil {
		return way{}, err
	}
	listen := fmt.Sprintf("TCP-LISTEN:%s,bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=128", port)
	return r.plain("socat (fork)", port, "socat", "-b65536", listen, "TCP:"+r.peer+",nodelay")
}

func (r *relays) plain(name, port string, command string, args ...string) (way, error) {
	if _, err := r.run(command, args...); err != nil {
		return way{}, err
	}
	address := "127.0.0.1:" + port
	dial := func(ctx context.Context) (net.Conn, error) { return dialTCP(ctx, address) }
	return way{name, dial}, reachable("tcp", address)
}
