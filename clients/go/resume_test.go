package socketgateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	socketgateway "socketgateway.dev"
	pb "socketgateway.dev/gen/tcpip/v1"
	"socketgateway.dev/internal/gatewaytest"
)

// behind attaches through a relay that can break the stream.
func behind(t *testing.T, settings []string, options ...socketgateway.DialOption) (*socketgateway.Gateway, *gatewaytest.Relay) {
	t.Helper()
	noLeaks(t)
	process := gatewaytest.Start(t, settings...)
	relay := gatewaytest.NewRelay(t, process.Address)
	return attach(t, relay.Address, options...), relay
}

func TestAStreamThatIsCutAgainAndAgainLosesAndDoublesNothingEitherWay(t *testing.T) {
	gateway, relay := behind(t, nil)
	host, port := echo(t)
	session := ok(gateway.Connect(within(t), host, port))(t)
	all := pattern(6 << 20)
	ctx := within(t)
	sent := make(chan error, 1)
	go func() { sent <- session.Send(ctx, all) }()
	var back []byte
	for cuts := 0; len(back) < len(all); {
		chunk := ok(session.NextChunk(ctx))(t)
		back = append(back, chunk...)
		if len(back)/(512<<10) > cuts {
			cuts++
			relay.Cut()
		}
	}
	must(t, <-sent)
	if !bytes.Equal(back, all) {
		t.Fatal("other bytes came back")
	}
	if relay.Count() < 5 {
		t.Errorf("only %d connections: the test shows nothing", relay.Count())
	}
	must(t, session.Disconnect(ctx))
	end := ok(session.Closed(ctx))(t)
	if end.BytesSent != uint64(len(all)) || end.BytesReceived != uint64(len(all)) {
		t.Errorf("%+v", end)
	}
}

func TestASendWhoseAnswerIsLostIsNotWrittenTwice(t *testing.T) {
	gateway, relay := behind(t, nil)
	var got bytes.Buffer
	over := make(chan struct{})
	host, port := peer(t, func(conn *net.TCPConn) {
		_, _ = io.Copy(&got, conn)
		close(over)
	})
	session := ok(gateway.Connect(within(t), host, port))(t)
	var want bytes.Buffer
	ctx := within(t)
	for i := range 300 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if i%7 == 3 {
			// While the send is on its way, or its answer.
			go relay.Cut()
		}
		must(t, session.Send(ctx, []byte(line)))
	}
	must(t, session.Disconnect(ctx))
	<-over
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes arrived of %d", got.Len(), want.Len())
	}
}

func TestWhatNobodyHasTakenYetSurvivesCutsWithinItsBound(t *testing.T) {
	const share = 64 << 10
	gateway, relay := behind(t, []string{fmt.Sprintf("limits.session_backlog_bytes=%d", share)})
	all := pattern(4 << 20)
	host, port := peer(t, func(conn *net.TCPConn) { _, _ = conn.Write(all) })
	session := ok(gateway.Connect(within(t), host, port))(t)
	admin := pb.NewSessionServiceClient(gateway.Channel())
	received := func() uint64 {
		found, err := admin.GetSession(within(t), &pb.GetSessionRequest{SessionId: session.ID()})
		if err != nil {
			return 0
		}
		return found.GetSession().GetBytesReceived()
	}
	eventually(t, "the share is full", func() bool { return received() >= share })
	for before := relay.Count(); relay.Count() < before+5; {
		count := relay.Count()
		relay.Cut()
		eventually(t, "the stream is taken up", func() bool { return relay.Count() > count })
	}
	// Each stream took up what the one before had, and no more: that is what keeps memory bounded.
	if most := uint64(2 * share); received() > most {
		t.Errorf("%d bytes were read for a reader that takes none", received())
	}
	var back []byte
	for chunk, err := range session.Chunks(within(t)) {
		must(t, err)
		back = append(back, chunk...)
	}
	if !bytes.Equal(back, all) {
		t.Errorf("%d bytes came of %d", len(back), len(all))
	}
}

func TestASilentStreamIsTakenForBroken(t *testing.T) {
	gateway, relay := behind(t, nil, socketgateway.WithHeartbeat(time.Second))
	host, port := echo(t)
	session := ok(gateway.Connect(within(t), host, port, socketgateway.LineMode()))(t)
	relay.Pause()
	ctx := within(t)
	sent := make(chan error, 1)
	go func() { sent <- session.SendLine(ctx, "still there") }()
	// The connection is alive and says nothing. Once the stream was given up, what comes late on it is nobody's.
	eventually(t, "the stream is given up", func() bool { return !gateway.Attached() })
	relay.Resume()
	line := ok(session.NextLine(ctx))(t)
	must(t, <-sent)
	if line != "still there" {
		t.Errorf("%q", line)
	}
	must(t, session.Disconnect(ctx))
	if end := ok(session.Closed(ctx))(t); end.BytesSent != uint64(len("still there\n")) {
		t.Errorf("%+v", end)
	}
}

func TestAfterAReconnectTimeoutEverythingEndsWithItsError(t *testing.T) {
	gateway, relay := behind(t, nil, socketgateway.WithReconnectTimeout(300*time.Millisecond))
	host, port := echo(t)
	session := ok(gateway.Connect(within(t), host, port))(t)
	listener := ok(gateway.Listen(within(t), "127.0.0.1", 0))(t)
	relay.Refuse(true)
	relay.Cut()
	_, err := session.NextChunk(within(t))
	var failed *socketgateway.Error
	if !errors.As(err, &failed) || failed.Code.String() != "Unavailable" {
		t.Errorf("reading: %v", err)
	}
	if _, err := listener.Accept(within(t)); !errors.As(err, &failed) {
		t.Errorf("accepting: %v", err)
	}
	if _, err := gateway.Connect(within(t), host, port); !errors.As(err, &failed) {
		t.Errorf("connecting: %v", err)
	}
	if end := ok(session.Closed(within(t)))(t); end.Reason != socketgateway.Lost {
		t.Errorf("%+v", end)
	}
}

func TestManySessionsAreTakenUpTogether(t *testing.T) {
	gateway, relay := behind(t, nil)
	host, port := echo(t)
	var running sync.WaitGroup
	var rounds atomic.Int64
	for i := range 40 {
		running.Go(func() {
			session, err := gateway.Connect(within(t), host, port, socketgateway.LineMode())
			if err != nil {
				t.Error(err)
				return
			}
			defer session.Close()
			for round := range 25 {
				want := fmt.Sprintf("%d of %d", round, i)
				if err := session.SendLine(within(t), want); err != nil {
					t.Error(err)
					return
				}
				line, err := session.NextLine(within(t))
				if err != nil || line != want {
					t.Errorf("%q, %v, not %q", line, err, want)
					return
				}
				if rounds.Add(1)%150 == 0 {
					relay.Cut()
				}
			}
		})
	}
	running.Wait()
}

func TestARestartedGatewayIsToldAndServesAnew(t *testing.T) {
	noLeaks(t)
	first := gatewaytest.Start(t)
	relay := gatewaytest.NewRelay(t, first.Address)
	gateway := attach(t, relay.Address)
	host, port := echo(t)
	session := ok(gateway.Connect(within(t), host, port, socketgateway.SessionID("again")))(t)
	must(t, session.Send(within(t), []byte("unread")))
	eventually(t, "it has come back", func() bool {
		found, err := pb.NewSessionServiceClient(gateway.Channel()).GetSession(within(t), &pb.GetSessionRequest{SessionId: "again"})
		return err == nil && found.GetSession().GetBytesReceived() == 6
	})
	relay.Refuse(true)
	first.Kill()
	relay.Retarget(gatewaytest.Start(t).Address)
	relay.Refuse(false)
	if _, err := session.Closed(within(t)); err != nil {
		t.Fatal(err)
	}
	// What had arrived before can still be read, and then the end is no orderly one.
	for {
		chunk, err := session.NextChunk(within(t))
		if err != nil {
			if !errors.Is(err, socketgateway.ErrInstanceChanged) {
				t.Errorf("%v", err)
			}
			break
		}
		if string(chunk) != "unread" {
			t.Errorf("%q", chunk)
		}
	}
	anew := ok(gateway.Connect(within(t), host, port, socketgateway.SessionID("again"), socketgateway.LineMode()))(t)
	must(t, anew.SendLine(within(t), "hello"))
	if line := ok(anew.NextLine(within(t)))(t); line != "hello" {
		t.Errorf("%q", line)
	}
}
