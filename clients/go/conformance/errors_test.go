package conformance_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	sg "socketgateway.dev"
	pb "socketgateway.dev/gen/tcpip/v1"
)

func itoa(n int) string { return strconv.Itoa(n) }

func contextOf(s *scenario) (context.Context, context.CancelFunc) { return context.WithCancel(s.ctx) }

func connectInvalid(s *scenario) {
	_, err := s.open().Connect(s.ctx, "", 70000)
	s.violates(s.fails(err, sg.ErrConnectInvalid, codes.InvalidArgument), "host", "port")
}

func sessionIDConflict(s *scenario) {
	g := s.open()
	session := s.connect(g, "silent", sg.SessionID("conflict-"+itoa(int(time.Now().UnixNano()))))
	_, err := g.Connect(s.ctx, s.far.host, s.far.port("silent"), sg.SessionID(session.ID()))
	s.fails(err, sg.ErrSessionIDConflict, codes.AlreadyExists, "sessionId")
	s.disconnected(session)
}

func connectFailed(s *scenario) {
	g := s.open()
	_, err := g.Connect(s.ctx, s.far.host, s.far.port("refused"))
	failed := s.fails(err, sg.ErrConnectFailed, codes.FailedPrecondition, "host", "port", "sessionId")
	is(s, "errno", failed.Metadata["errno"], "ECONNREFUSED")
	_, err = g.Connect(s.ctx, "nobody.invalid", 1)
	s.fails(err, sg.ErrConnectFailed, codes.FailedPrecondition)
}

func listenInvalid(s *scenario) {
	_, err := s.open().Listen(s.ctx, "", 70000)
	s.violates(s.fails(err, sg.ErrListenInvalid, codes.InvalidArgument), "port")
}

func serverError(s *scenario) {
	_, err := s.open().Listen(s.ctx, "127.0.0.1", s.far.port("echo"))
	is(s, "errno", s.fails(err, sg.ErrServerError, codes.FailedPrecondition).Metadata["errno"], "EADDRINUSE")
}

func sessionNotFound(s *scenario) {
	_, err := s.open().Session(s.ctx, "nobody")
	s.fails(err, sg.ErrSessionNotFound, codes.NotFound, "sessionId")
}

func listenerNotFound(s *scenario) {
	rpc, _ := stubs(s.open())
	_, err := rpc.TcpUnlisten(s.ctx, &pb.TcpUnlistenRequest{ListenerId: "nobody"})
	s.fails(sg.FromRPC("unlisten", err), sg.ErrListenerNotFound, codes.NotFound, "listenerId")
}

func sessionNotConnected(s *scenario) {
	session := s.connect(s.open(), "blackhole", sg.NoWait())
	err := session.Send(s.ctx, []byte("x"))
	s.fails(err, sg.ErrSessionNotConnected, codes.FailedPrecondition, "sessionId", "state")
	s.must(session.Abort(s.ctx))
	s.ends(session, sg.Aborted)
}

func payloadInvalid(s *scenario) {
	session := s.connect(s.open(), "sink")
	_, err := session.SendItems(s.ctx, nil)
	s.fails(err, sg.ErrPayloadInvalid, codes.InvalidArgument)
	s.fails(session.Send(s.ctx, nil), sg.ErrPayloadInvalid, codes.InvalidArgument)
	s.disconnected(session)
}

func waitForInvalid(s *scenario) {
	_, err := s.open().Connect(s.ctx, s.far.host, s.far.port("echo"), sg.LineMode(), sg.WaitFor("("))
	s.fails(err, sg.ErrWaitForInvalid, codes.InvalidArgument)
}

func sendInvalid(s *scenario) {
	_, err := s.open().SendDatagram(s.ctx, "", 9, []byte("x"))
	s.violates(s.fails(err, sg.ErrSendInvalid, codes.InvalidArgument), "host")
}

func udpSendFailed(s *scenario) {
	_, err := s.open().SendDatagram(s.ctx, "127.255.255.255", 9, []byte("x"))
	s.fails(err, sg.ErrUDPSendFailed, codes.FailedPrecondition, "host", "port", "errno")
}

func udpError(s *scenario) {
	_, err := s.open().UDPIn(s.ctx, "192.0.2.1", 0)
	is(s, "errno", s.fails(err, sg.ErrUDPError, codes.FailedPrecondition).Metadata["errno"], "EADDRNOTAVAIL")
}

func timeout(s *scenario) {
	session := s.connect(s.open(), "silent", sg.LineMode())
	_, err := session.Exchange(s.ctx, "x", sg.Within(200*time.Millisecond))
	s.fails(err, sg.ErrTimeout, codes.DeadlineExceeded, "sessionId")
	s.must(session.Abort(s.ctx))
	s.ends(session, sg.Aborted)
}

func transportError(s *scenario) {
	session := s.connect(s.open(), "silent")
	s.order(map[string]any{"cmd": "reset", "port": portOf(session.LocalAddr())})
	event := s.event(session, sg.Erred)
	is(s, "errno", s.fails(event.Err, sg.ErrTransportError, codes.Aborted).Metadata["errno"], "ECONNRESET")
	s.ends(session, sg.PeerReset)
}

func frameTooLong(s *scenario) {
	session := s.connect(s.open(), "long_line", sg.LineMode())
	_, err := session.Exchange(s.ctx, "go")
	s.fails(err, sg.ErrFrameTooLong, codes.ResourceExhausted)
	s.ends(session, sg.Failed)
}

func limitReached(s *scenario) {
	g := s.dial(s.own("limits.listeners=1").Address)
	l := get(g.Listen(s.ctx, "127.0.0.1", 0))(s)
	_, err := g.Listen(s.ctx, "127.0.0.1", 0)
	failed := s.fails(err, sg.ErrLimitReached, codes.ResourceExhausted)
	is(s, "the limit", strings.TrimPrefix(failed.Metadata["limit"], "limits."), "listeners")
	is(s, "its value", failed.Metadata["value"], "1")
	s.must(l.Close())
}

func policyDenied(s *scenario) {
	_, err := s.dial(s.own("policy.profile=internet").Address).Connect(s.ctx, s.far.host, s.far.port("echo"))
	s.fails(err, sg.ErrPolicyDenied, codes.PermissionDenied, "rule")
}

func writeOffsetMismatch(s *scenario) {
	session := s.connect(s.open(), "sink")
	err := session.Send(s.ctx, []byte("x"), sg.ExpectOffset(7))
	is(s, "its metadata", s.fails(err, sg.ErrWriteOffsetMismatch, codes.FailedPrecondition).Metadata["writeOffset"], "0")
	s.disconnected(session)
}

func requestInvalid(s *scenario) {
	_, admin := stubs(s.open())
	_, err := admin.ListSessions(s.ctx, &pb.ListSessionsRequest{PageSize: 5000})
	s.violates(s.fails(sg.FromRPC("list", err), sg.ErrRequestInvalid, codes.InvalidArgument), "page_size")
}

func sessionEnded(s *scenario) {
	g := s.open()
	session := s.connect(g, "silent", sg.LineMode())
	failed := make(chan error, 1)
	go func() {
		answer, err := session.Exchange(s.ctx, "x")
		if err == nil {
			err = fmt.Errorf("an answer: %v", answer)
		}
		failed <- err
	}()
	s.eventually("the exchange is under way", func() bool { return s.look(g, session.ID()).GetExchangeActive() })
	s.must(session.Abort(s.ctx))
	s.fails(<-failed, sg.ErrSessionEnded, codes.Aborted, "sessionId", "closeReason")
}
