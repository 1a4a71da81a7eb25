package conformance_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	sg "socketgateway.dev"
	pb "socketgateway.dev/gen/tcpip/v1"
)

func seconds(d time.Duration) *durationpb.Duration { return durationpb.New(d) }

func resume(s *scenario) {
	r := s.relay(s.gateway.Address)
	g := s.dial(r.address)
	session := s.connect(g, "answers", sg.LineMode())
	s.must(session.SendLine(s.ctx, "one"))
	is(s, "the line", s.line(session), "re: one")
	r.do("cut")
	s.say(session, "while away\r\n")
	is(s, "the line", s.line(session), "while away")
	s.must(session.SendLine(s.ctx, "two"))
	is(s, "the line", s.line(session), "re: two")
	other := s.open()
	s.eventually("one stream is attached", func() bool { return s.subscriber(other, g.Subscriber()).GetStreams() == 1 })
	s.disconnected(session)
}

func resumeRefused(s *scenario) {
	r := s.relay(s.gateway.Address)
	session := s.connect(s.dial(r.address), "answers", sg.LineMode())
	s.must(session.SendLine(s.ctx, "one"))
	is(s, "the line", s.line(session), "re: one")
	before := r.do("relayed").Accepted
	r.do("refuse")
	for _, text := range []string{"a", "b", "c"} {
		s.say(session, text+"\r\n")
	}
	s.eventually("it has tried again", func() bool { return r.do("relayed").Accepted > before })
	r.do("accept")
	for _, text := range []string{"a", "b", "c"} {
		is(s, "the line", s.line(session), text)
	}
	s.must(session.SendLine(s.ctx, "end"))
	is(s, "the line", s.line(session), "re: end")
	s.disconnected(session)
}

func resumeInAFlood(s *scenario) {
	r := s.relay(s.gateway.Address)
	session := s.connect(s.dial(r.address), "source")
	s.must(session.Send(s.ctx, []byte("10000000\n")))
	var all []byte
	cuts := 0
	for {
		chunk, err := session.NextChunk(s.ctx)
		if err == io.EOF {
			break
		}
		s.must(err)
		all = append(all, chunk...)
		if len(all)/2_000_000 > cuts {
			cuts++
			r.do("cut")
		}
	}
	if !bytes.Equal(all, pattern(10_000_000)) {
		s.Fatalf("other bytes came: %d of them", len(all))
	}
}

func restart(s *scenario) {
	first := s.own()
	r := s.relay(first.Address)
	g := s.dial(r.address)
	session := s.connect(g, "answers", sg.LineMode())
	l := get(g.Listen(s.ctx, "127.0.0.1", 0))(s)
	r.do("refuse")
	first.Kill()
	r.target(s.own().Address)
	r.do("accept")
	_, err := session.NextLine(s.ctx)
	s.fails(err, sg.ErrInstanceChanged, codes.FailedPrecondition)
	if _, err := l.Accept(s.ctx); !errors.Is(err, sg.ErrInstanceChanged) {
		s.Fatalf("accept: %v", err)
	}
	err = session.SendLine(s.ctx, "anybody?")
	if !errors.Is(err, sg.ErrSessionNotFound) && !errors.Is(err, sg.ErrInstanceChanged) {
		s.Fatalf("send: %v", err)
	}
	anew := s.connect(g, "echo")
	s.must(anew.Send(s.ctx, []byte("x")))
	is(s, "the echo", string(s.readAll(anew, 1)), "x")
	s.disconnected(anew)
}

func shutdown(s *scenario) {
	own := s.own()
	session := s.connect(s.dial(own.Address), "silent", sg.LineMode())
	s.must(own.Stop())
	s.ends(session, sg.Shutdown)
	is(s, "the exit code", own.ExitCode(), 0)
}

func lists(s *scenario) {
	g := s.open()
	_, admin := stubs(g)
	l := get(g.Listen(s.ctx, "127.0.0.1", 0))(s)
	session := s.connect(g, "silent")
	u := get(g.UDPIn(s.ctx, "127.0.0.1", 0))(s)
	found := map[string]*pb.Session{}
	request := &pb.ListSessionsRequest{Subscriber: g.Subscriber(), PageSize: 1}
	for {
		page := get(admin.ListSessions(s.ctx, request))(s)
		if len(page.GetSessions()) > 1 {
			s.Fatalf("%d on a page of 1", len(page.GetSessions()))
		}
		for _, each := range page.GetSessions() {
			found[each.GetSessionId()] = each
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			break
		}
	}
	is(s, "sessions", len(found), 2)
	is(s, "the kind", found[session.ID()].GetKind(), pb.SessionKind_SESSION_KIND_TCP_OUTBOUND)
	is(s, "the state", found[session.ID()].GetState(), pb.SessionState_SESSION_STATE_CONNECTED)
	is(s, "the kind", found[u.ID()].GetKind(), pb.SessionKind_SESSION_KIND_UDP)
	is(s, "the state", found[u.ID()].GetState(), pb.SessionState_SESSION_STATE_LISTENING)
	listeners := get(admin.ListListeners(s.ctx, &pb.ListListenersRequest{PageSize: 1000}))(s)
	has := false
	for _, each := range listeners.GetListeners() {
		has = has || each.GetListenerId() == l.ID()
	}
	is(s, "whether the listener is listed", has, true)
	subscriber := s.subscriber(g, g.Subscriber())
	is(s, "streams", subscriber.GetStreams(), 1)
	is(s, "acknowledged", subscriber.GetAcknowledged(), true)
}

func watch(s *scenario) {
	g := s.open()
	_, admin := stubs(g)
	a := s.connect(g, "silent")
	ctx, cancel := contextOf(s)
	defer cancel()
	stream := get(admin.Watch(ctx, &pb.WatchRequest{}))(s)
	is(s, "the first change", get(stream.Recv())(s).GetKind(), pb.ChangeKind_CHANGE_KIND_SNAPSHOT_BEGIN)
	seen := false
	for {
		change := get(stream.Recv())(s)
		if change.GetKind() == pb.ChangeKind_CHANGE_KIND_SNAPSHOT_END {
			break
		}
		is(s, "a change of the snapshot", change.GetKind(), pb.ChangeKind_CHANGE_KIND_ADDED)
		seen = seen || change.GetSession().GetSessionId() == a.ID()
	}
	is(s, "whether a was seen", seen, true)
	b := s.connect(g, "silent")
	next := func() pb.ChangeKind {
		for {
			if change := get(stream.Recv())(s); change.GetSession().GetSessionId() == b.ID() {
				return change.GetKind()
			}
		}
	}
	is(s, "b's first change", next(), pb.ChangeKind_CHANGE_KIND_ADDED)
	s.must(b.Disconnect(s.ctx))
	kind := next()
	for kind == pb.ChangeKind_CHANGE_KIND_CHANGED {
		kind = next()
	}
	is(s, "b's last change", kind, pb.ChangeKind_CHANGE_KIND_REMOVED)
}

func closeObject(s *scenario) {
	g := s.open()
	session := s.connect(g, "silent")
	s.must(g.Close())
	other := s.open()
	s.eventually("no stream is attached", func() bool { return s.subscriber(other, g.Subscriber()).GetStreams() == 0 })
	if _, err := session.NextChunk(s.ctx); err == nil {
		s.Fatalf("it still reads")
	}
}

// wronglyResumed is the error of a plain stream that resumes at a point that makes no sense.
func (s *scenario) wronglyResumed(g *sg.Gateway, name string, point *pb.Resume) error {
	s.Helper()
	rpc, _ := stubs(g)
	stream := get(rpc.Subscribe(s.ctx, &pb.SubscribeRequest{Subscriber: name, Resume: point}))(s)
	_, err := stream.Recv()
	return sg.FromRPC("subscribe", err)
}

func instanceChanged(s *scenario) {
	err := s.wronglyResumed(s.open(), "x-"+rand.Text(), &pb.Resume{InstanceId: "another", Epoch: "x"})
	s.fails(err, sg.ErrInstanceChanged, codes.FailedPrecondition, "instanceId")
}

func epochChanged(s *scenario) {
	g := s.open()
	rpc, _ := stubs(g)
	name := "epoch-" + rand.Text()
	ctx, cancel := contextOf(s)
	stream := get(rpc.Subscribe(ctx, &pb.SubscribeRequest{Subscriber: name}))(s)
	start := get(stream.Recv())(s).GetStart()
	cancel()
	err := s.wronglyResumed(g, name, &pb.Resume{InstanceId: start.GetInstanceId(), Epoch: "another"})
	s.fails(err, sg.ErrEpochChanged, codes.FailedPrecondition, "epoch")
}

func streamStalled(s *scenario) {
	own := s.own("limits.stall_timeout=1s", "limits.subscriber_backlog_bytes=65536", "limits.session_backlog_bytes=65536")
	r := s.relay(own.Address)
	direct, behind := s.dial(own.Address), s.dial(r.address, sg.WithHeartbeat(0))
	rpc, _ := stubs(behind)
	name := "stalled-" + rand.Text()
	stream := get(rpc.Subscribe(s.ctx, &pb.SubscribeRequest{Subscriber: name}))(s)
	get(stream.Recv())(s)
	r.do("pause")
	rpc, _ = stubs(direct)
	connected := get(rpc.TcpConnect(s.ctx, &pb.TcpConnectRequest{
		Host: s.far.host, Port: uint32(s.far.port("source")), Subscriber: name}))(s)
	get(rpc.TcpSend(s.ctx, &pb.TcpSendRequest{SessionId: connected.GetSessionId(),
		Payload: []*pb.PayloadItem{{Item: &pb.PayloadItem_Text{Text: "67108864\n"}}}}))(s)
	s.eventually("reading is paused", func() bool { return s.look(direct, connected.GetSessionId()).GetReadPaused() })
	// Only time makes a stall.
	time.Sleep(4 * time.Second)
	r.do("resume")
	for {
		if _, err := stream.Recv(); err != nil {
			s.fails(sg.FromRPC("subscribe", err), sg.ErrStreamStalled, codes.ResourceExhausted)
			break
		}
	}
	get(rpc.TcpDisconnect(s.ctx, &pb.TcpDisconnectRequest{SessionId: connected.GetSessionId(), Abort: true}))(s)
}

func shuttingDown(s *scenario) {
	own := s.own()
	rpc, _ := stubs(s.dial(own.Address))
	stream := get(rpc.Subscribe(s.ctx, &pb.SubscribeRequest{Subscriber: "down"}))(s)
	get(stream.Recv())(s)
	s.must(own.Stop())
	for {
		if _, err := stream.Recv(); err != nil {
			s.fails(sg.FromRPC("subscribe", err), sg.ErrShuttingDown, codes.Unavailable)
			return
		}
	}
}

func unreachable(s *scenario) {
	address := s.far.host + ":" + itoa(s.far.port("refused"))
	_, err := sg.Dial(s.ctx, address)
	var failed *sg.Error
	if !errors.As(err, &failed) || failed.Code != codes.Unavailable || !strings.Contains(err.Error(), address) {
		s.Fatalf("%v", err)
	}
}
