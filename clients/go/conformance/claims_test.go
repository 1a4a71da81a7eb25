package conformance_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	sg "socketgateway.dev"
	pb "socketgateway.dev/gen/tcpip/v1"
)

func listen(s *scenario) {
	l := get(s.open().Listen(s.ctx, "127.0.0.1", 0, sg.LineMode()))(s)
	if portOf(l.Addr()) == 0 || l.ID()[:5] != "lstn-" {
		s.Fatalf("%v %q", l.Addr(), l.ID())
	}
	var visitors [3]net.Conn
	byPort := map[int]int{}
	for i := range visitors {
		visitors[i] = get(net.Dial("tcp", l.Addr().String()))(s)
		defer visitors[i].Close()
		byPort[visitors[i].LocalAddr().(*net.TCPAddr).Port] = i + 1
		_, err := fmt.Fprintf(visitors[i], "visitor %d\n", i+1)
		s.must(err)
	}
	var sessions []*sg.Session
	for range visitors {
		session := get(l.Accept(s.ctx))(s)
		number := byPort[portOf(session.RemoteAddr())]
		is(s, "the line", s.line(session), fmt.Sprintf("visitor %d", number))
		s.must(session.SendLine(s.ctx, fmt.Sprintf("hello %d", number), sg.EndWith(sg.CRLF)))
		sessions = append(sessions, session)
	}
	for i, visitor := range visitors {
		s.must(visitor.SetDeadline(time.Now().Add(30 * time.Second)))
		line := get(bufio.NewReader(visitor).ReadString('\n'))(s)
		is(s, "the answer", line, fmt.Sprintf("hello %d\r\n", i+1))
		s.must(visitor.Close())
	}
	for _, session := range sessions {
		s.ends(session, sg.PeerClosed)
	}
	s.must(l.Close())
	for range l.Sessions(s.ctx) {
		s.Fatalf("a session of a closed listener")
	}
	if _, err := net.Dial("tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		s.Fatalf("dialling it: %v", err)
	}
}

func unlistenWithSessions(s *scenario) {
	l := get(s.open().Listen(s.ctx, "127.0.0.1", 0))(s)
	var sessions []*sg.Session
	for range 2 {
		visitor := get(net.Dial("tcp", l.Addr().String()))(s)
		go func() {
			_, _ = io.Copy(io.Discard, visitor)
			_ = visitor.Close()
		}()
		sessions = append(sessions, get(l.Accept(s.ctx))(s))
	}
	is(s, "sessions closing", get(l.CloseWithSessions(s.ctx))(s), 2)
	for _, session := range sessions {
		s.ends(session, sg.ByRequest)
	}
}

// lentSession is a session of one gateway object, and the same in the hands of another.
func lentSession(s *scenario) (a, b *sg.Gateway, ofA, ofB *sg.Session) {
	s.Helper()
	a, b = s.open(), s.open()
	ofA = s.connect(a, "answers", sg.LineMode())
	ofB = get(b.Session(s.ctx, ofA.ID()))(s)
	return a, b, ofA, ofB
}

func claims(s *scenario) {
	a, _, ofA, ofB := lentSession(s)
	for _, step := range []struct {
		session *sg.Session
		text    string
	}{{ofA, "one"}, {ofB, "two"}, {ofA, "three"}} {
		s.must(step.session.SendLine(s.ctx, step.text, sg.ClaimData()))
		is(s, "the answer", s.line(step.session), "re: "+step.text)
	}
	found := s.look(a, ofA.ID())
	is(s, "the lifecycle subscriber", found.GetLifecycleSubscriber(), a.Subscriber())
	is(s, "the data subscriber", found.GetDataSubscriber(), a.Subscriber())
	if found.GetClaimGeneration() < 2 {
		s.Fatalf("generation %d", found.GetClaimGeneration())
	}
	s.disconnected(ofA)
	if line, err := ofA.NextLine(s.ctx); err != io.EOF {
		s.Fatalf("A reads %q, %v", line, err)
	}
}

func claimData(s *scenario) {
	a, _, ofA, ofB := lentSession(s)
	is(s, "the previous subscriber", get(ofB.Claim(s.ctx))(s), a.Subscriber())
	s.say(ofA, "news\r\n")
	is(s, "the line", s.line(ofB), "news")
	s.disconnected(ofA)
}

func sendWithoutClaim(s *scenario) {
	_, _, ofA, ofB := lentSession(s)
	s.must(ofB.SendLine(s.ctx, "x"))
	is(s, "the line", s.line(ofA), "re: x")
	s.disconnected(ofA)
}

func inactivityKeeps(s *scenario) {
	session := s.connect(s.open(), "answers", sg.LineMode(), sg.InactivityTimeout(300*time.Millisecond))
	event := s.event(session, sg.Inactive)
	s.fails(event.Err, sg.ErrTimeout, codes.DeadlineExceeded)
	s.must(session.SendLine(s.ctx, "still here"))
	is(s, "the line", s.line(session), "re: still here")
	s.disconnected(session)
}

func inactivityCloses(s *scenario) {
	g := s.open()
	l := get(g.Listen(s.ctx, "127.0.0.1", 0, sg.InactivityTimeout(300*time.Millisecond)))(s)
	visitor := get(net.Dial("tcp", l.Addr().String()))(s)
	defer visitor.Close()
	for _, session := range []*sg.Session{
		get(l.Accept(s.ctx))(s),
		s.connect(g, "silent", sg.InactivityTimeout(300*time.Millisecond), sg.CloseWhenInactive()),
	} {
		s.event(session, sg.Inactive)
		s.ends(session, sg.TimedOut)
	}
}

func connectTimeout(s *scenario) {
	_, err := s.open().Connect(s.ctx, s.far.host, s.far.port("blackhole"), sg.ConnectTimeout(300*time.Millisecond))
	s.fails(err, sg.ErrConnectFailed, codes.DeadlineExceeded, "sessionId", "host", "port")
}

func noWait(s *scenario) {
	g := s.open()
	session := s.connect(g, "echo", sg.NoWait())
	is(s, "the first event", get(session.NextEvent(s.ctx))(s).Kind, sg.Connecting)
	is(s, "the second event", get(session.NextEvent(s.ctx))(s).Kind, sg.Connected)
	s.must(session.Send(s.ctx, []byte("x")))
	is(s, "the echo", string(s.readAll(session, 1)), "x")
	s.disconnected(session)
	session = s.connect(g, "refused", sg.NoWait())
	is(s, "the first event", get(session.NextEvent(s.ctx))(s).Kind, sg.Connecting)
	event := get(session.NextEvent(s.ctx))(s)
	is(s, "the second event", event.Kind, sg.Erred)
	is(s, "its errno", event.Err.Metadata["errno"], "ECONNREFUSED")
	if end := s.ends(session, sg.Failed); !errors.Is(end.Err, sg.ErrConnectFailed) || !errors.Is(end.Err, syscall.ECONNREFUSED) {
		s.Fatalf("%v", end.Err)
	}
}

func orphaned(s *scenario) {
	rpc, admin := stubs(s.open())
	name := fmt.Sprintf("nobody-%d", time.Now().UnixNano())
	connected := get(rpc.TcpConnect(s.ctx, &pb.TcpConnectRequest{Host: s.far.host, Port: uint32(s.far.port("silent")),
		Subscriber: name, OrphanTimeout: seconds(500 * time.Millisecond)}))(s)
	told := s.waitPort(int(connected.GetConnected().GetLocalPort()))
	if told.Outcome == "open" {
		s.Fatalf("it never ended")
	}
	s.eventually("it is gone", func() bool {
		return get(admin.ListSessions(s.ctx, &pb.ListSessionsRequest{Subscriber: name}))(s).GetTotalSize() == 0
	})
}

func udpReply(s *scenario) {
	u := get(s.open().UDPIn(s.ctx, "127.0.0.1", 0))(s)
	own := get(net.DialUDP("udp", nil, u.LocalAddr().(*net.UDPAddr)))(s)
	defer own.Close()
	_, err := own.Write([]byte("ping"))
	s.must(err)
	datagram := get(u.Receive(s.ctx))(s)
	is(s, "the payload", string(datagram.Payload), "ping")
	is(s, "the sender", datagram.From.String(), own.LocalAddr().String())
	s.must(u.Reply(s.ctx, datagram, []byte("pong")))
	s.must(own.SetReadDeadline(time.Now().Add(30 * time.Second)))
	buffer := make([]byte, 16)
	// It is connected to the port that was asked, and hears no other.
	is(s, "the reply", string(buffer[:get(own.Read(buffer))(s)]), "pong")
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	get(u.SendTo(s.ctx, s.far.host, s.far.port("udp_echo"), all))(s)
	datagram = get(u.Receive(s.ctx))(s)
	is(s, "the echo", string(datagram.Payload), string(all))
	is(s, "its port", int(datagram.From.Port()), s.far.port("udp_echo"))
	s.must(u.Disconnect(s.ctx))
}

func udpModes(s *scenario) {
	u := get(s.open().UDPIn(s.ctx, "127.0.0.1", 0, sg.UTF8()))(s)
	own := get(net.Dial("udp", u.LocalAddr().String()))(s)
	defer own.Close()
	for _, payload := range []string{"grüß", "\xff\xfe", ""} {
		_, err := own.Write([]byte(payload))
		s.must(err)
		datagram := get(u.Receive(s.ctx))(s)
		is(s, "the payload", string(datagram.Payload), payload)
		if payload != "" {
			is(s, "whether it is text", datagram.Text, payload == "grüß")
		}
	}
	s.must(u.Disconnect(s.ctx))
}

func multicast(s *scenario) {
	g := s.open()
	group := sg.Group("239.255.77.77", "127.0.0.1")
	first := get(g.UDPIn(s.ctx, "0.0.0.0", 0, group))(s)
	port := first.LocalAddr().(*net.UDPAddr).Port
	second := get(g.UDPIn(s.ctx, "0.0.0.0", port, group))(s)
	get(g.SendDatagram(s.ctx, "239.255.77.77", port, []byte("to all"), sg.MulticastInterface("127.0.0.1")))(s)
	for _, u := range []*sg.UDPSocket{first, second} {
		is(s, "the payload", string(get(u.Receive(s.ctx))(s).Payload), "to all")
		s.must(u.Disconnect(s.ctx))
	}
}

func udpOut(s *scenario) {
	g := s.open()
	u := get(g.UDPIn(s.ctx, "127.0.0.1", 0))(s)
	sent := get(g.SendDatagram(s.ctx, "127.0.0.1", u.LocalAddr().(*net.UDPAddr).Port, []byte("once")))(s)
	is(s, "bytes sent", sent.Bytes, 4)
	is(s, "the payload", string(get(u.Receive(s.ctx))(s).Payload), "once")
	s.must(u.Disconnect(s.ctx))
}

func slowReader(s *scenario) {
	g := s.open()
	session := s.connect(g, "source")
	s.must(session.Send(s.ctx, []byte("67108864\n")))
	s.stalled(g, session)
	if got, want := s.readAll(session, -1), pattern(67108864); string(got) != string(want) {
		s.Fatalf("other bytes came: %d of them", len(got))
	}
}

// stalled waits until a session's peer cannot send any more.
func (s *scenario) stalled(g *sg.Gateway, session *sg.Session) {
	s.Helper()
	s.eventually("reading is paused", func() bool { return s.look(g, session.ID()).GetReadPaused() })
	for before := -1; ; time.Sleep(600 * time.Millisecond) {
		sent := s.lookFar(session).Sent
		if sent >= 32<<20 {
			s.Fatalf("%d bytes were sent to a reader that does not read", sent)
		}
		if sent == before {
			return
		}
		before = sent
	}
}

func (s *scenario) hundredLines(g *sg.Gateway) {
	s.Helper()
	session := s.connect(g, "answers", sg.LineMode())
	is(s, "the match", get(session.Exchange(s.ctx, "first", sg.WaitFor("^re: ")))(s).Match, "re: first")
	for i := range 100 {
		text := fmt.Sprint("line ", i)
		s.must(session.SendLine(s.ctx, text))
		is(s, "the line", s.line(session), "re: "+text)
	}
	s.disconnected(session)
}

func slowReaderAlone(s *scenario) {
	g := s.open()
	var sessions []*sg.Session
	for range 3 {
		session := s.connect(g, "source")
		s.must(session.Send(s.ctx, []byte("67108864\n")))
		sessions = append(sessions, session)
	}
	for _, session := range sessions {
		s.stalled(g, session)
	}
	s.hundredLines(g)
	for _, session := range sessions {
		s.must(session.Abort(s.ctx))
		s.ends(session, sg.Aborted)
		s.must(session.Close())
	}
}

func slowPeer(s *scenario) {
	g := s.open()
	session := s.connect(g, "stuck")
	sent := make(chan error, 1)
	go func() { sent <- session.Send(s.ctx, pattern(32<<20)) }()
	s.eventually("a send waits", func() bool { return s.look(g, session.ID()).GetQueuedSendBytes() > 0 })
	s.hundredLines(g)
	s.must(session.Abort(s.ctx))
	err := <-sent
	if !errors.Is(err, sg.ErrSocketNotConnected) && !errors.Is(err, sg.ErrSessionNotConnected) && !errors.Is(err, sg.ErrSessionNotFound) {
		s.Fatalf("the send: %v", err)
	}
}

func socketNotConnected(s *scenario) {
	g := s.open()
	session := s.connect(g, "stuck")
	failures := make(chan error, 12)
	var running sync.WaitGroup
	for range 12 {
		running.Go(func() { failures <- session.Send(s.ctx, pattern(1_000_000)) })
	}
	s.eventually("a send waits", func() bool { return s.look(g, session.ID()).GetQueuedSendBytes() > 0 })
	s.order(map[string]any{"cmd": "reset", "port": portOf(session.LocalAddr())})
	running.Wait()
	close(failures)
	for err := range failures {
		if errors.Is(err, sg.ErrSocketNotConnected) {
			s.fails(err, sg.ErrSocketNotConnected, codes.Aborted, "sessionId", "itemsWritten")
			return
		}
	}
	s.Fatalf("no send failed with SOCKET_NOT_CONNECTED")
}
