package conformance_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	sg "socketgateway.dev"
	pb "socketgateway.dev/gen/tcpip/v1"
)

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func connectEcho(s *scenario) {
	g := s.open()
	session := s.connect(g, "echo")
	is(s, "the peer's port", portOf(session.RemoteAddr()), s.far.port("echo"))
	if session.ID() == "" || portOf(session.LocalAddr()) == 0 {
		s.Fatalf("%q at %v", session.ID(), session.LocalAddr())
	}
	all := pattern(256)
	for i := range all {
		all[i] = byte(i)
	}
	s.must(session.Send(s.ctx, all))
	if back := s.readAll(session, 256); !bytes.Equal(back, all) {
		s.Fatalf("%x came back", back)
	}
	end := s.disconnected(session)
	is(s, "bytes received", end.BytesReceived, 256)
	is(s, "bytes sent", end.BytesSent, 256)
	_, err := g.Session(s.ctx, session.ID())
	s.fails(err, sg.ErrSessionNotFound, codes.NotFound)
}

func forcedID(s *scenario) {
	g := s.open()
	id := "forced-" + rand.Text()
	for range 2 {
		session := s.connect(g, "silent", sg.SessionID(id))
		is(s, "the id", session.ID(), id)
		is(s, "the state", s.look(g, id).GetState(), pb.SessionState_SESSION_STATE_CONNECTED)
		s.disconnected(session)
	}
}

func lines(s *scenario) {
	session := s.connect(s.open(), "echo", sg.LineMode())
	for _, piece := range []string{"one\r", "\ntwo\nth", "ree\rfo", "ur\r\n", "\n"} {
		s.must(session.Send(s.ctx, []byte(piece)))
	}
	for _, want := range []string{"one", "two", "three", "four", ""} {
		is(s, "a line", s.line(session), want)
	}
	s.must(session.Send(s.ctx, []byte("end\n")))
	is(s, "the next line", s.line(session), "end")
	s.disconnected(session)
}

func notUTF8(s *scenario) {
	session := s.connect(s.open(), "bbs", sg.LineMode())
	for _, step := range [][2]string{{"anna", "password: "}, {"secret", "menu> "}} {
		answer := get(session.Exchange(s.ctx, step[0], sg.WaitFor(step[1])))(s)
		is(s, "the match", answer.Match, step[1])
	}
	s.must(session.SendLine(s.ctx, "latin"))
	for {
		line := s.line(session)
		if strings.TrimPrefix(line, "menu> ") == "caf\xe9" {
			break
		}
		// What the login said before the exchanges.
		if strings.Contains(line, "caf") {
			s.Fatalf("%q", line)
		}
	}
	s.disconnected(session)
}

func terminators(s *scenario) {
	session := s.connect(s.open(), "sink")
	for _, ending := range []sg.LineEnding{sg.NoEnding, sg.LF, sg.CRLF, sg.CR} {
		get(session.SendItems(s.ctx, []sg.Item{sg.Line("a"), sg.Bytes([]byte("b"))}, sg.EndWith(ending)))(s)
	}
	s.must(session.SendLine(s.ctx, "", sg.EndWith(sg.LF)))
	s.disconnected(session)
	told := s.waitFar(session)
	is(s, "what arrived", told.SHA256, hash([]byte("aba\nba\r\nba\rb\n")))
}

func items(s *scenario) {
	session := s.connect(s.open(), "sink")
	sent := get(session.SendItems(s.ctx, []sg.Item{sg.Line("one"), sg.Bytes([]byte("two")), sg.Line("three")}, sg.EndWith(sg.LF)))(s)
	if sent.Items != 3 || sent.WriteOffset != 13 || sent.MessageID == "" {
		s.Fatalf("%+v", sent)
	}
	sent = get(session.SendItems(s.ctx, []sg.Item{sg.Bytes([]byte("x"))}))(s)
	if sent.Items != 1 || sent.WriteOffset != 14 {
		s.Fatalf("%+v", sent)
	}
	s.disconnected(session)
}

func (s *scenario) match(session *sg.Session, line string, before ...string) sg.Match {
	s.Helper()
	match := get(session.NextMatch(s.ctx))(s)
	if !match.Matched || match.Line != line || !slices.Equal(match.Lines, before) {
		s.Fatalf("%+v, not %q after %q", match, line, before)
	}
	return match
}

func waitFor(s *scenario) {
	session := s.connect(s.open(), "bbs", sg.LineMode(), sg.WaitFor("login: $"))
	s.match(session, "login: ", "Welcome to the far end")
	s.must(session.SendLine(s.ctx, "anna", sg.WaitFor("^(?P<what>pass)word: ")))
	match := s.match(session, "password: ")
	is(s, "the captures", fmt.Sprint(match.Captures), "[{what true pass}]")
	s.must(session.SendLine(s.ctx, "secret", sg.WaitFor("menu> ")))
	s.match(session, "menu> ", "", "Hello, anna")
	s.must(session.SendLine(s.ctx, "list"))
	s.match(session, "menu> ", "one", "two", "three")
	s.must(session.SendLine(s.ctx, "quit", sg.WaitFor("")))
	is(s, "the last line", s.line(session), "Goodbye")
	s.ends(session, sg.PeerClosed)
}

func flushed(s *scenario) {
	g := s.open()
	session := s.connect(g, "greeter", sg.LineMode(), sg.WaitFor("never"))
	s.eventually("all was received", func() bool { return s.look(g, session.ID()).GetBytesReceived() == 25 })
	s.must(session.Disconnect(s.ctx))
	match := get(session.NextMatch(s.ctx))(s)
	if match.Matched || !match.Unfinished || !slices.Equal(match.Lines, []string{"hello 1", "hello 2", "ready> "}) {
		s.Fatalf("%+v", match)
	}
	if _, err := session.NextMatch(s.ctx); err != io.EOF {
		s.Fatalf("and then %v", err)
	}
}

func tenMegabytes(s *scenario) {
	session := s.connect(s.open(), "echo")
	all := pattern(10_000_000)
	sent := make(chan error, 1)
	go func() { sent <- session.Send(s.ctx, all) }()
	if !bytes.Equal(s.readAll(session, len(all)), all) {
		s.Fatalf("other bytes came back")
	}
	s.must(<-sent)
	s.disconnected(session)
}

func bigDownload(s *scenario) {
	session := s.connect(s.open(), "source")
	s.must(session.Send(s.ctx, []byte("10000000\n")))
	if !bytes.Equal(s.readAll(session, -1), pattern(10_000_000)) {
		s.Fatalf("other bytes came")
	}
	is(s, "bytes received", s.ends(session, sg.PeerClosed).BytesReceived, 10_000_000)
}

func disconnectWritesAll(s *scenario) {
	session := s.connect(s.open(), "sink")
	s.must(session.Send(s.ctx, pattern(1_000_000)))
	is(s, "bytes sent", s.disconnected(session).BytesSent, 1_000_000)
	told := s.waitFar(session)
	is(s, "the outcome", told.Outcome, "closed")
	is(s, "what arrived", told.SHA256, hash(pattern(1_000_000)))
}

func abort(s *scenario) {
	session := s.connect(s.open(), "silent")
	s.must(session.Abort(s.ctx))
	s.ends(session, sg.Aborted)
	is(s, "the outcome", s.waitFar(session).Outcome, "broken")
}

func halfClose(s *scenario) {
	g := s.open()
	session := s.connect(g, "half_closer", sg.LineMode(), sg.AllowHalfOpen())
	is(s, "the line", s.line(session), "half")
	s.event(session, sg.HalfClosed)
	if _, err := session.NextLine(s.ctx); err != io.EOF {
		s.Fatalf("reading ends with %v", err)
	}
	is(s, "the state", s.look(g, session.ID()).GetState(), pb.SessionState_SESSION_STATE_HALF_CLOSED)
	s.must(session.Send(s.ctx, []byte("after\n")))
	s.disconnected(session)
	is(s, "bytes received", s.waitFar(session).Received, 6)
}

func peerClosed(s *scenario) {
	g := s.open()
	for peer, line := range map[string]string{"closer": "bye", "half_closer": "half"} {
		session := s.connect(g, peer, sg.LineMode())
		is(s, "the line", s.line(session), line)
		s.ends(session, sg.PeerClosed)
	}
}

func peerReset(s *scenario) {
	session := s.connect(s.open(), "resetter")
	s.must(session.Send(s.ctx, []byte("x")))
	event := s.event(session, sg.Erred)
	s.fails(event.Err, sg.ErrTransportError, codes.Aborted)
	is(s, "errno", event.Err.Metadata["errno"], "ECONNRESET")
	if end := s.ends(session, sg.PeerReset); end.Err == nil {
		s.Fatalf("no error at the end")
	}
	if _, err := session.NextChunk(s.ctx); err == nil || err == io.EOF {
		s.Fatalf("reading ends with %v", err)
	}
}

func fiveHundred(s *scenario) {
	g := s.open()
	const count = 500
	sessions := make([]*sg.Session, count)
	var running sync.WaitGroup
	atOnce := make(chan struct{}, 50)
	failures := make(chan error, count)
	for i := range sessions {
		running.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			session, err := g.Connect(s.ctx, s.far.host, s.far.port("echo"), sg.LineMode())
			if err != nil {
				failures <- err
				return
			}
			sessions[i] = session
		})
	}
	running.Wait()
	if len(failures) > 0 {
		s.Fatalf("%v", <-failures)
	}
	for i, session := range sessions {
		running.Go(func() {
			want := fmt.Sprintf("session %d", i)
			if err := session.SendLine(s.ctx, want); err != nil {
				failures <- err
				return
			}
			if line, err := session.NextLine(s.ctx); err != nil || line != want {
				failures <- fmt.Errorf("%q, %w", line, err)
			}
		})
	}
	running.Wait()
	if len(failures) > 0 {
		s.Fatalf("%v", <-failures)
	}
	for _, session := range sessions {
		running.Go(func() {
			if err := session.Disconnect(s.ctx); err != nil {
				failures <- err
				return
			}
			if end, err := session.Closed(s.ctx); err != nil || end.Reason != sg.ByRequest {
				failures <- fmt.Errorf("%+v, %w", end, err)
			}
		})
	}
	running.Wait()
	if len(failures) > 0 {
		s.Fatalf("%v", <-failures)
	}
}

func exchange(s *scenario) {
	session := s.connect(s.open(), "answers", sg.LineMode())
	answer := get(session.ExchangeItems(s.ctx, []sg.Item{sg.Line("a"), sg.Line("b"), sg.Line("c")}, sg.WaitFor("^re: (c)$")))(s)
	is(s, "the answer", fmt.Sprintln(answer.End, answer.Lines, answer.Match, answer.Captures), "MATCH [re: a re: b] re: c [{ true c}]\n")
	answer = get(session.Exchange(s.ctx, "d"))(s)
	is(s, "the answer", fmt.Sprintln(answer.End, answer.Lines), "FRAME [re: d]\n")
	s.disconnected(session)
}

func exchangeTurns(s *scenario) {
	session := s.connect(s.open(), "answers", sg.LineMode())
	failures := make(chan error, 20)
	var running sync.WaitGroup
	for i := range 20 {
		running.Go(func() {
			caller := fmt.Sprintf("caller %d", i)
			answer, err := session.Exchange(s.ctx, caller, sg.WaitFor("^re: "))
			if err != nil || answer.Match != "re: "+caller {
				failures <- fmt.Errorf("%v, %w", answer, err)
			}
		})
	}
	running.Wait()
	if len(failures) > 0 {
		s.Fatalf("%v", <-failures)
	}
	s.disconnected(session)
}

func exchangeTimeout(s *scenario) {
	session := s.connect(s.open(), "answers", sg.LineMode())
	_, err := session.Exchange(s.ctx, "wait 1 late", sg.WaitFor("^re: "), sg.Within(200e6))
	s.fails(err, sg.ErrTimeout, codes.DeadlineExceeded)
	answer := get(session.Exchange(s.ctx, "next", sg.WaitFor("^re: ")))(s)
	is(s, "the match", answer.Match, "re: next")
	is(s, "the line", s.line(session), "re: late")
	s.disconnected(session)
}

func exchangeGreeting(s *scenario) {
	session := s.connect(s.open(), "bbs", sg.LineMode())
	steps := []struct{ say, match string }{
		{"", "login: "}, {"anna", "password: "}, {"wrong", "login: "}, {"anna", "password: "}, {"secret", "menu> "},
	}
	for i, step := range steps {
		pattern := sg.WaitFor(step.match + "$")
		var answer *sg.Answer
		if step.say == "" {
			answer = get(session.ExchangeItems(s.ctx, nil, pattern))(s)
		} else {
			answer = get(session.Exchange(s.ctx, step.say, pattern))(s)
		}
		is(s, "the match", answer.Match, step.match)
		if i == 2 {
			is(s, "the frames", fmt.Sprintf("%q", answer.Lines), `["" "Login incorrect"]`)
		}
	}
	answer := get(session.Exchange(s.ctx, "quit"))(s)
	is(s, "the farewell", strings.TrimPrefix(answer.Text(), "menu> "), "Goodbye")
	s.ends(session, sg.PeerClosed)
}

func exchangePeerClosed(s *scenario) {
	session := s.connect(s.open(), "source")
	answer := get(session.Exchange(s.ctx, "0", sg.EndRequestWith(sg.LF)))(s)
	is(s, "the answer", fmt.Sprintln(answer.End, answer.Lines), "PEER_CLOSED []\n")
}

func requestIDs(s *scenario) {
	g := s.open()
	rpc, _ := stubs(g)
	request := rand.Text()
	var ids [3][2]string
	for i := range 2 {
		connected := get(rpc.TcpConnect(s.ctx, &pb.TcpConnectRequest{
			Host: s.far.host, Port: uint32(s.far.port("silent")), Subscriber: g.Subscriber(), RequestId: request}))(s)
		listening := get(rpc.TcpListen(s.ctx, &pb.TcpListenRequest{
			Host: "127.0.0.1", Subscriber: g.Subscriber(), RequestId: request}))(s)
		bound := get(rpc.UdpIn(s.ctx, &pb.UdpInRequest{
			Host: "127.0.0.1", Subscriber: g.Subscriber(), RequestId: request}))(s)
		ids[0][i], ids[1][i], ids[2][i] = connected.GetSessionId(), listening.GetListenerId(), bound.GetSessionId()
	}
	for _, pair := range ids {
		is(s, "the second id", pair[1], pair[0])
	}
	for _, id := range []string{ids[0][0], ids[2][0]} {
		get(rpc.TcpDisconnect(s.ctx, &pb.TcpDisconnectRequest{SessionId: id}))(s)
	}
	get(rpc.TcpUnlisten(s.ctx, &pb.TcpUnlistenRequest{ListenerId: ids[1][0]}))(s)
}

func writeOffset(s *scenario) {
	session := s.connect(s.open(), "sink")
	sent := get(session.SendItems(s.ctx, []sg.Item{sg.Bytes([]byte("abc"))}, sg.ExpectOffset(0)))(s)
	is(s, "the write offset", sent.WriteOffset, 3)
	err := session.Send(s.ctx, []byte("abc"), sg.ExpectOffset(0))
	is(s, "its metadata", s.fails(err, sg.ErrWriteOffsetMismatch, codes.FailedPrecondition).Metadata["writeOffset"], "3")
	s.disconnected(session)
	is(s, "bytes received", s.waitFar(session).Received, 3)
}

func plainSubscribe(s *scenario) {
	g := s.open()
	rpc, _ := stubs(g)
	name := "plain-" + rand.Text()
	ctx, cancel := contextOf(s)
	defer cancel()
	stream := get(rpc.Subscribe(ctx, &pb.SubscribeRequest{Subscriber: name}))(s)
	get(stream.Recv())(s)
	connected := get(rpc.TcpConnect(s.ctx, &pb.TcpConnectRequest{Host: s.far.host, Port: uint32(s.far.port("answers")),
		Subscriber: name, Mode: pb.TcpMode_TCP_MODE_LINE}))(s)
	id := connected.GetSessionId()
	get(rpc.TcpSend(s.ctx, &pb.TcpSendRequest{SessionId: id, LineTerminator: pb.LineTerminator_LINE_TERMINATOR_LF,
		Payload: []*pb.PayloadItem{{Item: &pb.PayloadItem_Text{Text: "plain"}}}}))(s)
	var seen []*pb.Envelope
	for len(seen) < 3 {
		seen = append(seen, get(stream.Recv())(s).GetEnvelopes()...)
	}
	for i, want := range []pb.Event{pb.Event_EVENT_CONNECTING, pb.Event_EVENT_CONNECTED, pb.Event_EVENT_DATA} {
		is(s, "an event", seen[i].GetEvent(), want)
		is(s, "its sequence", seen[i].GetSequence(), uint64(i+1))
	}
	is(s, "the line", seen[2].GetData().GetText(), "re: plain")
	get(rpc.TcpDisconnect(s.ctx, &pb.TcpDisconnectRequest{SessionId: id}))(s)
	for seen[len(seen)-1].GetEvent() != pb.Event_EVENT_DISCONNECTED {
		seen = append(seen, get(stream.Recv())(s).GetEnvelopes()...)
	}
	for _, envelope := range seen[3 : len(seen)-1] {
		is(s, "an event", envelope.GetEvent(), pb.Event_EVENT_DISCONNECTING)
	}
}

func attachCommands(s *scenario) {
	g := s.open()
	rpc, _ := stubs(g)
	name := "attached-" + rand.Text()
	ctx, cancel := contextOf(s)
	defer cancel()
	stream := get(rpc.Attach(ctx))(s)
	s.must(stream.Send(&pb.AttachRequest{Command: &pb.AttachRequest_Subscribe{Subscribe: &pb.AttachSubscribe{
		Subscription: &pb.SubscribeRequest{Subscriber: name}}}}))
	get(stream.Recv())(s)
	connected := get(rpc.TcpConnect(s.ctx, &pb.TcpConnectRequest{Host: s.far.host, Port: uint32(s.far.port("answers")),
		Subscriber: name, Mode: pb.TcpMode_TCP_MODE_LINE}))(s)
	send := func(id string) *pb.AttachRequest_TcpSend {
		return &pb.AttachRequest_TcpSend{TcpSend: &pb.TcpSendRequest{SessionId: id,
			LineTerminator: pb.LineTerminator_LINE_TERMINATOR_LF,
			Payload:        []*pb.PayloadItem{{Item: &pb.PayloadItem_Text{Text: "up"}}}}}
	}
	s.must(stream.Send(&pb.AttachRequest{CorrelationId: 11, Command: send(connected.GetSessionId())}))
	s.must(stream.Send(&pb.AttachRequest{CorrelationId: 12, Command: &pb.AttachRequest_UdpOut{UdpOut: &pb.UdpOutRequest{
		Host: s.far.host, Port: uint32(s.far.port("udp_echo")), Payload: &pb.PayloadItem{Item: &pb.PayloadItem_Text{Text: "up"}}}}}))
	s.must(stream.Send(&pb.AttachRequest{CorrelationId: 13, Command: send("nobody")}))
	s.must(stream.Send(&pb.AttachRequest{CorrelationId: 14, Command: &pb.AttachRequest_TcpDisconnect{
		TcpDisconnect: &pb.TcpDisconnectRequest{SessionId: connected.GetSessionId()}}}))
	answers := map[uint64]*pb.Answer{}
	over := false
	for len(answers) < 4 || !over {
		message := get(stream.Recv())(s)
		for _, answer := range message.GetAnswers() {
			answers[answer.GetCorrelationId()] = answer
		}
		for _, envelope := range message.GetEnvelopes() {
			over = over || envelope.GetEvent() == pb.Event_EVENT_DISCONNECTED
		}
	}
	is(s, "the send's offset", answers[11].GetTcpSend().GetWriteOffset(), 3)
	is(s, "the datagram's bytes", answers[12].GetUdpOut().GetBytes(), 2)
	is(s, "nobody's error", answers[13].GetError().GetErrorCode(), "SESSION_NOT_FOUND")
	is(s, "the disconnect's event", answers[14].GetTcpDisconnect().GetEvent(), pb.Event_EVENT_DISCONNECTING)
}
