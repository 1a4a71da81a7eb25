package socketgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	pb "socketgateway.dev/gen/tcpip/v1"
)

const (
	// How long to wait between two attempts to take the stream up.
	firstPause   = 50 * time.Millisecond
	longestPause = 3 * time.Second
	// silentHeartbeats is how many heartbeats a stream may miss.
	silentHeartbeats = 3
)

// link is one Attach stream.
type link struct {
	stream grpc.BidiStreamingClient[pb.AttachRequest, pb.AttachResponse]
	ctx    context.Context
	cancel context.CancelFunc
	start  *pb.StreamStart
	gap    *pb.Gap
}

// open attaches a stream and waits for its start. ctx bounds the wait, not the stream.
func (g *Gateway) open(ctx context.Context, resume *pb.Resume) (*link, error) {
	subscription := &pb.SubscribeRequest{Subscriber: g.subscriber, Resume: resume}
	if g.options.heartbeat > 0 {
		subscription.HeartbeatInterval = durationpb.New(g.options.heartbeat)
	}
	l := &link{}
	l.ctx, l.cancel = context.WithCancel(g.ctx)
	stop := context.AfterFunc(ctx, l.cancel)
	defer stop()
	fail := func(err error) (*link, error) {
		l.cancel()
		return nil, err
	}
	var err error
	if l.stream, err = g.rpc.Attach(l.ctx); err != nil {
		return fail(err)
	}
	subscribe := &pb.AttachSubscribe{
		Subscription: subscription,
		DeliveryMode: pb.DeliveryMode_DELIVERY_MODE_ACKNOWLEDGED,
	}
	// Where it fails, what was wrong comes from Recv.
	err = l.stream.Send(&pb.AttachRequest{Command: &pb.AttachRequest_Subscribe{Subscribe: subscribe}})
	if err != nil && !errors.Is(err, io.EOF) {
		return fail(err)
	}
	first, err := l.stream.Recv()
	if err != nil {
		return fail(err)
	}
	if l.start, l.gap = first.GetStart(), first.GetGap(); l.start == nil {
		return fail(status.Error(codes.Internal, "the stream does not begin with its start: is this a socket gateway?"))
	}
	if !stop() {
		return fail(context.Cause(ctx))
	}
	return l, nil
}

// run serves streams, one after the other, until Close or until there is no hope.
func (g *Gateway) run(l *link) {
	defer close(g.stopped)
	for {
		err := g.serve(l)
		if g.ctx.Err() != nil {
			g.fail(ErrClosed)
			return
		}
		g.options.logger.Info("the stream to the socket gateway broke; taking it up again", "error", err)
		if l, err = g.reattach(err); err != nil {
			g.options.logger.Error("the socket gateway is lost", "error", err)
			g.fail(err)
			return
		}
	}
}

// serve reads one stream to its end.
func (g *Gateway) serve(l *link) error {
	g.begin(l)
	var writing sync.WaitGroup
	writing.Go(func() { g.write(l) })
	silent := g.watchdog(l)
	err := g.read(l, silent)
	silent.stop()
	l.cancel()
	writing.Wait()
	g.mu.Lock()
	if g.failed == nil {
		g.attached, g.isAttached = make(chan struct{}), false
	}
	g.mu.Unlock()
	return err
}

// begin makes a stream the one that is in use.
func (g *Gateway) begin(l *link) {
	if changed := g.instance != "" && (l.start.GetInstanceId() != g.instance || l.start.GetEpoch() != g.epoch); changed {
		g.newest = 0
	}
	g.instance, g.epoch = l.start.GetInstanceId(), l.start.GetEpoch()
	if gap := l.gap; gap != nil {
		g.options.logger.Error("the socket gateway could not deliver everything again", "first", gap.GetFirstSequence(),
			"last", gap.GetLastSequence())
	}
	g.requeue(l.start.GetSendCredit())
	g.acks.restart(g.ackState())
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.isAttached {
		close(g.attached)
		g.isAttached = true
	}
}

// read hands on what comes down.
func (g *Gateway) read(l *link, silent *watchdog) error {
	for {
		message, err := l.stream.Recv()
		if err != nil {
			return err
		}
		silent.heard()
		// Before the answers, which let senders go on.
		for _, credit := range message.GetCredits() {
			g.renewCredit(credit)
		}
		for _, answer := range message.GetAnswers() {
			g.answer(answer)
		}
		for _, envelope := range message.GetEnvelopes() {
			g.dispatch(envelope)
		}
	}
}

// write sends commands and acks as they come.
func (g *Gateway) write(l *link) {
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-g.writable:
		}
		for _, asked := range g.takeQueue() {
			asked.sent = true
			if l.stream.Send(asked.request) != nil {
				// The reader learns why. What was not sent stays unanswered, for the next stream.
				return
			}
		}
		if ack := g.acks.take(); ack != nil && l.stream.Send(ack) != nil {
			return
		}
	}
}

// watchdog cuts off a stream that has been silent for too long.
type watchdog struct {
	patience time.Duration
	timer    *time.Timer
}

func (g *Gateway) watchdog(l *link) *watchdog {
	w := &watchdog{patience: silentHeartbeats * g.options.heartbeat}
	if w.patience > 0 {
		w.timer = time.AfterFunc(w.patience, l.cancel)
	}
	return w
}

func (w *watchdog) heard() {
	if w.timer != nil {
		w.timer.Reset(w.patience)
	}
}

func (w *watchdog) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// reattach takes a broken stream up where it broke, or begins anew where the gateway has forgotten it.
func (g *Gateway) reattach(broken error) (*link, error) {
	ctx, cancel := context.WithTimeout(g.ctx, g.options.reconnect)
	defer cancel()
	resume := &pb.Resume{InstanceId: g.instance, Epoch: g.epoch, AfterSequence: g.resumePoint()}
	last, pause := broken, firstPause
	for {
		l, err := g.open(ctx, resume)
		if err == nil {
			g.options.logger.Info("the stream to the socket gateway goes on", "resumed", resume != nil)
			return l, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("socketgateway: the stream broke and could not be taken up again: %w", fromRPC(g.ctx, "attach", last))
		}
		last = err
		failed := fromRPC(ctx, "attach", err)
		switch {
		case hasReason(failed, ErrInstanceChanged) || hasReason(failed, ErrEpochChanged):
			g.options.logger.Error("the socket gateway has forgotten this client", "error", failed)
			g.loseAll(failed)
			resume = nil
			continue
		case hopeless(status.Code(err)):
			return nil, failed
		}
		select {
		case <-time.After(time.Duration(rand.Int64N(int64(pause))) + pause/2):
		case <-ctx.Done():
		}
		pause = min(2*pause, longestPause)
	}
}

// hopeless tells whether trying again cannot help.
func hopeless(code codes.Code) bool {
	switch code {
	case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.Unimplemented, codes.FailedPrecondition:
		return true
	}
	return false
}
