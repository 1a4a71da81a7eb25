package socketgateway_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
	socketgateway "socketgateway.dev"
	"socketgateway.dev/internal/gatewaytest"
)

// within is a context for what must happen in this test.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), gatewaytest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// noLeaks asserts at the end of the test, when everything is closed, that no goroutine is left.
func noLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// dial attaches to a gateway of its own; both end with the test.
func dial(t *testing.T, settings []string, options ...socketgateway.DialOption) (*socketgateway.Gateway, *gatewaytest.Gateway) {
	t.Helper()
	noLeaks(t)
	process := gatewaytest.Start(t, settings...)
	return attach(t, process.Address, options...), process
}

func attach(t *testing.T, address string, options ...socketgateway.DialOption) *socketgateway.Gateway {
	t.Helper()
	gateway, err := socketgateway.Dial(within(t), address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gateway.Close() })
	return gateway
}

// peer is a program at the far end: serve is called for each connection, and the connection closed after it.
func peer(t testing.TB, serve func(*net.TCPConn)) (string, int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn.(*net.TCPConn))
			}()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	addr := listener.Addr().(*net.TCPAddr)
	return addr.IP.String(), addr.Port
}

func echo(t testing.TB) (string, int) {
	return peer(t, func(conn *net.TCPConn) {
		_, _ = io.Copy(conn, conn)
		_ = conn.CloseWrite()
	})
}

// pattern is bytes whose place can be told.
func pattern(size int) []byte {
	return bytes.Repeat(cycle(), size/251+1)[:size]
}

func cycle() []byte {
	cycle := make([]byte, 251)
	for i := range cycle {
		cycle[i] = byte(i)
	}
	return cycle
}

// must fails the test where err is.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ok gives a function that gives the value, or fails the test where there is an error instead: ok(f())(t).
func ok[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return value
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// eventually waits until something is true.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(gatewaytest.Patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never happened that %s", what)
		}
	}
}
