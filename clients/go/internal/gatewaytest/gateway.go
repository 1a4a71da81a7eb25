// Package gatewaytest starts what the tests of this client need: the real gateway, and a relay that can break its connections.
package gatewaytest

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a test waits for what must happen.
const Patience = 30 * time.Second

// Gateway is a gateway process that the test has started.
type Gateway struct {
	// Address is where it serves, host:port.
	Address string

	process *exec.Cmd
	ended   chan struct{}
}

// Checkout is the top of the repository.
func Checkout() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "..")
}

// Binary is the gateway's: $SOCKET_GATEWAY_BIN, or the one that cargo builds.
func Binary() string {
	if path := os.Getenv("SOCKET_GATEWAY_BIN"); path != "" {
		return path
	}
	return filepath.Join(Checkout(), "target", "debug", "socket-gateway")
}

// Start starts a gateway on a free port, with settings of the form "limits.sessions=3". It ends with the test.
func Start(t testing.TB, settings ...string) *Gateway {
	t.Helper()
	args := []string{"serve", "--log-format", "json", "--listen", "127.0.0.1:0"}
	for _, setting := range settings {
		args = append(args, "--set", setting)
	}
	return StartWith(t, args...)
}

// StartWith starts a gateway with these arguments; they must make it log JSON.
func StartWith(t testing.TB, args ...string) *Gateway {
	t.Helper()
	g, err := Launch(args...)
	if err != nil {
		t.Fatalf("the gateway does not start: %v", err)
	}
	t.Cleanup(g.Kill)
	return g
}

// Launch starts a gateway outside of a test. Kill it.
func Launch(args ...string) (*Gateway, error) {
	process := exec.Command(Binary(), args...)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "SOCKET_GATEWAY_") {
			process.Env = append(process.Env, variable)
		}
	}
	log, err := process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	g := &Gateway{process: process, ended: make(chan struct{})}
	lines := bufio.NewReader(log)
	var told strings.Builder
	for {
		line, err := lines.ReadString('\n')
		told.WriteString(line)
		var event struct{ Message, Address string }
		if json.Unmarshal([]byte(line), &event) == nil && event.Message == "socket-gateway is ready" {
			g.Address = event.Address
			break
		}
		if err != nil {
			_ = process.Wait()
			return nil, &exec.Error{Name: told.String(), Err: err}
		}
	}
	go func() {
		// Read on, or it blocks on a full pipe.
		_, _ = io.Copy(io.Discard, lines)
		_ = process.Wait()
		close(g.ended)
	}()
	return g, nil
}

// Kill ends it at once, as a crash does, and waits for that.
func (g *Gateway) Kill() {
	// It may have ended by itself.
	_ = g.process.Process.Kill()
	<-g.ended
}

// Stop asks it to end in order, by SIGTERM.
func (g *Gateway) Stop() error { return g.process.Process.Signal(syscall.SIGTERM) }

// ExitCode waits for the end and gives its exit code.
func (g *Gateway) ExitCode() int {
	<-g.ended
	return g.process.ProcessState.ExitCode()
}
