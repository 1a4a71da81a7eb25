package socketgateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	socketgateway "socketgateway.dev"
	pb "socketgateway.dev/gen/tcpip/v1"
	"socketgateway.dev/internal/gatewaytest"
)

func TestASessionThatNobodyReadsHoldsUpNoOther(t *testing.T) {
	gateway, _ := dial(t, nil)
	host, port := peer(t, func(conn *net.TCPConn) {
		for {
			if _, err := conn.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	flooded := ok(gateway.Connect(within(t), host, port))(t)
	host, port = echo(t)
	prompt := ok(gateway.Connect(within(t), host, port, socketgateway.LineMode()))(t)
	for i := range 50 {
		must(t, prompt.SendLine(within(t), fmt.Sprint(i)))
		if line := ok(prompt.NextLine(within(t)))(t); line != fmt.Sprint(i) {
			t.Fatalf("%q", line)
		}
	}
	must(t, flooded.Abort(within(t)))
	if end := ok(flooded.Closed(within(t)))(t); end.Reason != socketgateway.Aborted || end.BytesReceived > 4<<20 {
		t.Errorf("%+v", end)
	}
	// What it has is still there, and the end is out of order.
	for _, err := range flooded.Chunks(within(t)) {
		if err != nil && !errors.Is(err, socketgateway.ErrSessionEnded) {
			t.Error(err)
		}
	}
}

func TestWhatIsTakenIsAckedSoThatNothingStaysWithTheGateway(t *testing.T) {
	gateway, _ := dial(t, nil)
	host, port := peer(t, func(conn *net.TCPConn) { _, _ = conn.Write(pattern(1 << 20)) })
	admin := pb.NewSessionServiceClient(gateway.Channel())
	left := func() uint64 {
		all := ok(admin.ListSubscribers(within(t), &pb.ListSubscribersRequest{PageSize: 1000}))(t)
		for _, subscriber := range all.GetSubscribers() {
			if subscriber.GetName() == gateway.Subscriber() {
				return subscriber.GetBacklogEnvelopes()
			}
		}
		return 0
	}
	read := ok(gateway.Connect(within(t), host, port))(t)
	for _, err := range read.Chunks(within(t)) {
		must(t, err)
	}
	eventually(t, "everything read is acked", func() bool { return left() == 0 })
	// So is what is given up.
	given := ok(gateway.Connect(within(t), host, port))(t)
	eventually(t, "something waits", func() bool { return left() > 0 })
	must(t, given.Close())
	eventually(t, "everything given up is acked", func() bool { return left() == 0 })
	// And what comes of a dial that fails.
	if _, err := gateway.Connect(within(t), "127.0.0.1", 1); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
	eventually(t, "a failed dial leaves nothing", func() bool { return left() == 0 })
}

func TestADialIsGivenUpWithItsContext(t *testing.T) {
	gateway, _ := dial(t, nil)
	host, port := unanswered(t)
	ctx, cancel := context.WithCancel(within(t))
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := gateway.Connect(ctx, host, port, socketgateway.SessionID("given-up"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	admin := pb.NewSessionServiceClient(gateway.Channel())
	eventually(t, "the gateway gives it up too", func() bool {
		_, err := admin.GetSession(within(t), &pb.GetSessionRequest{SessionId: "given-up"})
		return errors.Is(socketgateway.FromRPC("look", err), socketgateway.ErrSessionNotFound)
	})
}

// unanswered is an address where connecting never ends: its queue of connections is full.
func unanswered(t *testing.T) (string, int) {
	t.Helper()
	fd := ok(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0))(t)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(fd, 0))
	bound := ok(syscall.Getsockname(fd))(t).(*syscall.SockaddrInet4)
	address := net.JoinHostPort("127.0.0.1", itoa(bound.Port))
	for {
		conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return "127.0.0.1", bound.Port
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}

func TestASendThatIsGivenUpStaysInOrder(t *testing.T) {
	gateway, _ := dial(t, nil)
	var got bytes.Buffer
	read, over := make(chan struct{}), make(chan struct{})
	host, port := peer(t, func(conn *net.TCPConn) {
		<-read
		_, _ = io.Copy(&got, conn)
		close(over)
	})
	session := ok(gateway.Connect(within(t), host, port))(t)
	sent := 0
	for {
		ctx, cancel := context.WithTimeout(within(t), 200*time.Millisecond)
		err := session.Send(ctx, bytes.Repeat([]byte{byte(sent)}, 128<<10))
		cancel()
		sent++
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			break
		}
	}
	close(read)
	must(t, session.Send(within(t), []byte("the end")))
	must(t, session.Disconnect(within(t)))
	<-over
	if want := sent*(128<<10) + len("the end"); got.Len() != want || !strings.HasSuffix(got.String(), "the end") {
		t.Errorf("%d bytes arrived, not %d", got.Len(), want)
	}
}

func TestTwoClientsWriteToOneSessionAndNothingIsLost(t *testing.T) {
	gateway, process := dial(t, nil)
	other := attach(t, process.Address)
	var got bytes.Buffer
	over := make(chan struct{})
	host, port := peer(t, func(conn *net.TCPConn) {
		_, _ = io.Copy(&got, conn)
		close(over)
	})
	mine := ok(gateway.Connect(within(t), host, port))(t)
	theirs := ok(other.Session(within(t), mine.ID()))(t)
	var running sync.WaitGroup
	for _, session := range []*socketgateway.Session{mine, theirs} {
		running.Go(func() {
			for range 200 {
				if err := session.Send(within(t), []byte("0123456789")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	must(t, mine.Disconnect(within(t)))
	<-over
	if got.String() != strings.Repeat("0123456789", 400) {
		t.Errorf("%d bytes arrived", got.Len())
	}
}

func TestALentSessionIsOnlyLetGo(t *testing.T) {
	gateway, process := dial(t, nil)
	other := attach(t, process.Address)
	host, port := echo(t)
	mine := ok(gateway.Connect(within(t), host, port, socketgateway.LineMode()))(t)
	for range 2 {
		theirs := ok(other.Session(within(t), mine.ID()))(t)
		must(t, theirs.SendLine(within(t), "hello", socketgateway.ClaimData()))
		if line := ok(theirs.NextLine(within(t)))(t); line != "hello" {
			t.Errorf("%q", line)
		}
		must(t, theirs.Close())
		if err := theirs.SendLine(within(t), "more"); !errors.Is(err, socketgateway.ErrClosed) {
			t.Errorf("%v", err)
		}
	}
	must(t, mine.SendLine(within(t), "still here", socketgateway.ClaimData()))
	if line := ok(mine.NextLine(within(t)))(t); line != "still here" {
		t.Errorf("%q", line)
	}
}

func TestARepeatedListenGivesTheSameListener(t *testing.T) {
	gateway, _ := dial(t, nil)
	first := ok(gateway.Listen(within(t), "127.0.0.1", 0, socketgateway.RequestID("door")))(t)
	second := ok(gateway.Listen(within(t), "127.0.0.1", 0, socketgateway.RequestID("door")))(t)
	if first != second {
		t.Errorf("%s and %s", first.ID(), second.ID())
	}
}

func TestASendLargerThanTheCreditGoesInOnePiece(t *testing.T) {
	gateway, _ := dial(t, []string{"limits.attach_send_credit_bytes=65536"})
	host, port := echo(t)
	session := ok(gateway.Connect(within(t), host, port))(t)
	whole := pattern(700_000)
	go func() {
		sent, err := session.SendItems(within(t), []socketgateway.Item{socketgateway.Bytes(whole)})
		if err != nil || sent.WriteOffset != 700_000 {
			t.Errorf("%+v, %v", sent, err)
		}
		if err := session.Send(within(t), whole); err != nil {
			t.Error(err)
		}
	}()
	back := 0
	for chunk, err := range session.Chunks(within(t)) {
		must(t, err)
		if back += len(chunk); back == 2*len(whole) {
			break
		}
	}
	must(t, session.Close())
}

func TestCloseEndsWhatIsOpenAndDetachLeavesIt(t *testing.T) {
	_, process := dial(t, nil)
	host, port := echo(t)
	first := attach(t, process.Address, socketgateway.WithSubscriber("stays"))
	session := ok(first.Connect(within(t), host, port, socketgateway.SessionID("stays"), socketgateway.LineMode()))(t)
	listener := ok(first.Listen(within(t), "127.0.0.1", 0, socketgateway.LineMode()))(t)
	socket := ok(first.UDPIn(within(t), "127.0.0.1", 0))(t)
	must(t, first.Detach())
	if err := session.SendLine(within(t), "x"); !errors.Is(err, socketgateway.ErrClosed) {
		t.Errorf("a send after Detach: %v", err)
	}
	if err := first.Close(); !errors.Is(err, socketgateway.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
	visitor := ok(net.Dial("tcp", listener.Addr().String()))(t)
	defer visitor.Close()

	second := attach(t, process.Address, socketgateway.WithSubscriber("stays"))
	again := ok(second.Session(within(t), "stays"))(t)
	must(t, again.SendLine(within(t), "hello"))
	// The echo of x may have been sent before Detach; it was not.
	if line := ok(again.NextLine(within(t)))(t); line != "hello" {
		t.Errorf("%q", line)
	}
	door := ok(second.Listener(within(t), ""))(t)
	if door.ID() != listener.ID() || door.Addr().String() != listener.Addr().String() {
		t.Errorf("%s %v", door.ID(), door.Addr())
	}
	visit := ok(door.Accept(within(t)))(t)
	_, err := io.WriteString(visitor, "anybody?\n")
	must(t, err)
	if line := ok(visit.NextLine(within(t)))(t); line != "anybody?" {
		t.Errorf("%q", line)
	}
	bound := ok(second.UDPSocket(within(t), socket.ID()))(t)
	if bound.LocalAddr().String() != socket.LocalAddr().String() {
		t.Errorf("%v", bound.LocalAddr())
	}
	must(t, again.Disconnect(within(t)))
	must(t, bound.Disconnect(within(t)))
	must(t, door.Close())

	third := attach(t, process.Address)
	left := ok(third.Connect(within(t), host, port, socketgateway.SessionID("goes")))(t)
	must(t, third.Close())
	<-left.Done()
	admin := pb.NewSessionServiceClient(second.Channel())
	eventually(t, "Close closed it", func() bool {
		_, err := admin.GetSession(within(t), &pb.GetSessionRequest{SessionId: "goes"})
		return err != nil
	})
}

func TestADeclaredListenerIsServedByItsSubscriber(t *testing.T) {
	noLeaks(t)
	file := filepath.Join(t.TempDir(), "gateway.toml")
	must(t, os.WriteFile(file, []byte("[[tcp_listen]]\nsubscriber = \"shop\"\nhost = \"127.0.0.1\"\nport = 0\nmode = \"line\"\n"), 0o600))
	process := gatewaytest.StartWith(t, "serve", "--log-format", "json", "--listen", "127.0.0.1:0", "--config", file)
	gateway := attach(t, process.Address, socketgateway.WithSubscriber("shop"))
	listener := ok(gateway.Listener(within(t), ""))(t)
	visitor := ok(net.Dial("tcp", listener.Addr().String()))(t)
	defer visitor.Close()
	session := ok(listener.Accept(within(t)))(t)
	must(t, session.SendLine(within(t), "welcome", socketgateway.EndWith(socketgateway.CRLF)))
	greeting := make([]byte, 9)
	_, err := io.ReadFull(visitor, greeting)
	must(t, err)
	if string(greeting) != "welcome\r\n" {
		t.Errorf("%q", greeting)
	}
}

func TestEventsTellWhatHappenedInOrder(t *testing.T) {
	gateway, _ := dial(t, nil)
	host, port := echo(t)
	session := ok(gateway.Connect(within(t), host, port))(t)
	_, err := session.SendItems(within(t), []socketgateway.Item{socketgateway.Bytes([]byte("x"))}, socketgateway.EmitSent())
	must(t, err)
	must(t, session.Disconnect(within(t)))
	var kinds []string
	var last uint64
	for event, err := range session.Events(within(t)) {
		must(t, err)
		kinds = append(kinds, string(event.Kind))
		if event.Sequence <= last || event.Time.IsZero() {
			t.Errorf("%+v after %d", event, last)
		}
		last = event.Sequence
	}
	if got := strings.Join(kinds, " "); got != "CONNECTING CONNECTED SENT DISCONNECTING DISCONNECTED" {
		t.Error(got)
	}
}

func TestAReadersContextEndsOnlyItsWait(t *testing.T) {
	gateway, _ := dial(t, nil)
	host, port := echo(t)
	session := ok(gateway.Connect(within(t), host, port, socketgateway.LineMode()))(t)
	ctx, cancel := context.WithTimeout(within(t), 50*time.Millisecond)
	defer cancel()
	if _, err := session.NextLine(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := session.NextEvent(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := session.Closed(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	must(t, session.SendLine(within(t), "hello"))
	if line := ok(session.NextLine(within(t)))(t); line != "hello" {
		t.Errorf("%q", line)
	}
}

func TestAPacketConnExchangesDatagrams(t *testing.T) {
	gateway, _ := dial(t, nil)
	socket := ok(gateway.UDPIn(within(t), "127.0.0.1", 0))(t)
	conn := socket.PacketConn()
	own := ok(net.ListenPacket("udp", "127.0.0.1:0"))(t)
	defer own.Close()
	must(t, own.SetDeadline(time.Now().Add(gatewaytest.Patience)))
	for _, payload := range []string{"ping", "", strings.Repeat("x", 60_000)} {
		n, err := conn.WriteTo([]byte(payload), own.LocalAddr())
		must(t, err)
		if n != len(payload) {
			t.Errorf("%d", n)
		}
		buffer := make([]byte, 65_536)
		n, from, err := own.ReadFrom(buffer)
		must(t, err)
		if string(buffer[:n]) != payload || from.String() != conn.LocalAddr().String() {
			t.Errorf("%d bytes from %v", n, from)
		}
		_, err = own.WriteTo(buffer[:n], from)
		must(t, err)
		n, from, err = conn.ReadFrom(buffer)
		must(t, err)
		if string(buffer[:n]) != payload || from.String() != own.LocalAddr().String() {
			t.Errorf("%d bytes from %v", n, from)
		}
	}
	must(t, conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	if _, _, err := conn.ReadFrom(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	must(t, conn.Close())
	if _, _, err := conn.ReadFrom(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestDroppedDatagramsAreCounted(t *testing.T) {
	gateway, _ := dial(t, []string{"limits.session_backlog_bytes=65536"})
	socket := ok(gateway.UDPIn(within(t), "127.0.0.1", 0))(t)
	own := ok(net.Dial("udp", socket.LocalAddr().String()))(t)
	defer own.Close()
	admin := pb.NewSessionServiceClient(gateway.Channel())
	look := func() *pb.Session {
		return ok(admin.GetSession(within(t), &pb.GetSessionRequest{SessionId: socket.ID()}))(t).GetSession()
	}
	sent := uint64(0)
	for look().GetDatagramsDropped() == 0 {
		_, err := own.Write(make([]byte, 8_000))
		must(t, err)
		sent++
	}
	eventually(t, "all have arrived", func() bool {
		seen := look()
		return seen.GetDatagramsReceived() >= sent || seen.GetDatagramsReceived()+seen.GetDatagramsDropped() >= sent
	})
	_, err := own.Write([]byte("last"))
	must(t, err)
	got, missed := uint64(0), uint64(0)
	for datagram, err := range socket.Datagrams(within(t)) {
		must(t, err)
		got++
		missed += datagram.Missed
		if string(datagram.Payload) == "last" {
			break
		}
	}
	if missed == 0 || got+missed != sent+1 {
		t.Errorf("%d came and %d are told as missing, of %d", got, missed, sent+1)
	}
}
