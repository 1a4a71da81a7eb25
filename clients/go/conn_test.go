package socketgateway_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/net/nettest"
	socketgateway "socketgateway.dev"
)

func TestAConnBehavesAsNetConnsDo(t *testing.T) {
	gateway, _ := dial(t, nil)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		defer listener.Close()
		c1, err = gateway.DialContext(within(t), "tcp", listener.Addr().String())
		if err != nil {
			return nil, nil, nil, err
		}
		c2, err = listener.Accept()
		return c1, c2, func() { _ = c1.Close(); _ = c2.Close() }, err
	})
}

func TestAnAcceptedConnBehavesAsNetConnsDo(t *testing.T) {
	gateway, _ := dial(t, nil)
	listener := ok(gateway.Listen(within(t), "127.0.0.1", 0, socketgateway.AllowHalfOpen()))(t)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c1, err = gateway.DialContext(within(t), "tcp", listener.Addr().String())
		if err != nil {
			return nil, nil, nil, err
		}
		c2, err = listener.Net().Accept()
		return c1, c2, func() { _ = c1.Close(); _ = c2.Close() }, err
	})
}

func TestAReaderGetsEveryByteOnceAndThenTheEnd(t *testing.T) {
	gateway, _ := dial(t, nil)
	content := pattern(100_000)
	host, port := peer(t, func(conn *net.TCPConn) { _, _ = conn.Write(content) })
	session := ok(gateway.Connect(within(t), host, port))(t)
	conn := ok(session.Conn())(t)
	must(t, iotest.TestReader(conn, content))
	must(t, conn.Close())
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read after Close: %v", err)
	}
	if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
}

func TestCloseWriteLeavesTheAnswerToBeRead(t *testing.T) {
	gateway, _ := dial(t, nil)
	host, port := peer(t, func(conn *net.TCPConn) {
		all, _ := io.ReadAll(conn)
		_, _ = conn.Write(bytes.ToUpper(all))
	})
	session := ok(gateway.Connect(within(t), host, port))(t)
	conn := ok(session.Conn())(t)
	defer conn.Close()
	_, err := io.WriteString(conn, "all of it")
	must(t, err)
	must(t, conn.(interface{ CloseWrite() error }).CloseWrite())
	answer, err := io.ReadAll(conn)
	must(t, err)
	if string(answer) != "ALL OF IT" {
		t.Errorf("%q", answer)
	}
	if _, err := conn.Write([]byte("more")); err == nil {
		t.Error("a write after CloseWrite was taken")
	}
}

func TestAHalfOpenConnStillWritesAfterThePeersEnd(t *testing.T) {
	gateway, _ := dial(t, nil)
	answer := make(chan string, 1)
	host, port := peer(t, func(conn *net.TCPConn) {
		_, _ = io.WriteString(conn, "question")
		_ = conn.CloseWrite()
		all, _ := io.ReadAll(conn)
		answer <- string(all)
	})
	conn := ok(gateway.DialContext(within(t), "tcp", net.JoinHostPort(host, itoa(port))))(t)
	question, err := io.ReadAll(conn)
	must(t, err)
	_, err = io.WriteString(conn, "answer to "+string(question))
	must(t, err)
	must(t, conn.Close())
	select {
	case said := <-answer:
		if said != "answer to question" {
			t.Errorf("%q", said)
		}
	case <-within(t).Done():
		t.Error("the answer never came")
	}
}

func TestAReadDeadlinePassesAndCanBeMoved(t *testing.T) {
	gateway, _ := dial(t, nil)
	host, port := echo(t)
	conn := ok(gateway.DialContext(within(t), "tcp", net.JoinHostPort(host, itoa(port))))(t)
	defer conn.Close()
	must(t, conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	must(t, conn.SetReadDeadline(time.Time{}))
	_, err = io.WriteString(conn, "x")
	must(t, err)
	_, err = io.ReadFull(conn, make([]byte, 1))
	must(t, err)
}

func TestBytesThatAnExchangeTookAreMissedLoudly(t *testing.T) {
	gateway, _ := dial(t, nil)
	host, port := echo(t)
	session := ok(gateway.Connect(within(t), host, port))(t)
	conn := ok(session.Conn())(t)
	_, err := session.ExchangeBytes(within(t), []byte("mine"))
	must(t, err)
	must(t, session.Send(within(t), []byte("yours")))
	if _, err := conn.Read(make([]byte, 9)); !errors.Is(err, socketgateway.ErrElsewhere) {
		t.Errorf("%v", err)
	}
}

func TestAConnMayBeginWhereOtherReadersStopped(t *testing.T) {
	gateway, _ := dial(t, nil)
	host, port := echo(t)
	session := ok(gateway.Connect(within(t), host, port))(t)
	must(t, session.Send(within(t), []byte("first")))
	for read := 0; read < len("first"); {
		read += len(ok(session.NextChunk(within(t)))(t))
	}
	conn := ok(session.Conn())(t)
	_, err := io.WriteString(conn, "second")
	must(t, err)
	back := make([]byte, len("second"))
	_, err = io.ReadFull(conn, back)
	must(t, err)
	if string(back) != "second" {
		t.Errorf("%q", back)
	}
}

func TestALineSessionIsNoConn(t *testing.T) {
	gateway, _ := dial(t, nil)
	host, port := echo(t)
	session := ok(gateway.Connect(within(t), host, port, socketgateway.LineMode()))(t)
	if _, err := session.Conn(); !errors.Is(err, socketgateway.ErrWrongMode) {
		t.Errorf("%v", err)
	}
	if _, err := session.NextChunk(within(t)); !errors.Is(err, socketgateway.ErrWrongMode) {
		t.Errorf("%v", err)
	}
}

func TestHTTPRunsThroughTheGatewayBothWays(t *testing.T) {
	gateway, _ := dial(t, nil)
	listener := ok(gateway.Listen(within(t), "127.0.0.1", 0, socketgateway.AllowHalfOpen()))(t)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(bytes.ToUpper(body))
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener.Net()) }()
	transport := &http.Transport{DialContext: gateway.DialContext}
	client := &http.Client{Transport: transport}
	body := strings.Repeat("to and fro. ", 50_000)
	for range 3 {
		response := ok(client.Post("http://"+listener.Addr().String()+"/", "text/plain", strings.NewReader(body)))(t)
		answer := ok(io.ReadAll(response.Body))(t)
		_ = response.Body.Close()
		if string(answer) != strings.ToUpper(body) {
			t.Fatalf("%d bytes came back of %d", len(answer), len(body))
		}
	}
	transport.CloseIdleConnections()
	must(t, server.Shutdown(within(t)))
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
