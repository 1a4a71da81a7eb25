package socketgateway

import (
	"sync"
	"time"

	pb "socketgateway.dev/gen/tcpip/v1"
)

const (
	// ackBytes is how much may be taken before the gateway is told at once, so that it reads on.
	ackBytes = 32 << 10
	// ackDelay is how long less than that may wait for company.
	ackDelay = 5 * time.Millisecond
)

// acks collects what the application has taken, session by session, until it is told to the gateway.
type acks struct {
	mu    sync.Mutex
	due   map[string]uint64
	bytes int
	now   bool
	timer *time.Timer
	wake  func()
}

func newAcks(wake func()) *acks {
	a := &acks{due: map[string]uint64{}, wake: wake}
	a.timer = time.AfterFunc(time.Hour, a.hurry)
	a.timer.Stop()
	return a
}

// note says that everything of this session (or listener) up to a sequence was taken.
func (a *acks) note(id string, sequence uint64, bytes int) {
	if sequence == 0 {
		return
	}
	a.mu.Lock()
	if len(a.due) == 0 && !a.now {
		a.timer.Reset(ackDelay)
	}
	a.due[id] = max(a.due[id], sequence)
	a.bytes += bytes
	wake := a.bytes >= ackBytes && !a.now
	a.now = a.now || wake
	a.mu.Unlock()
	if wake {
		a.wake()
	}
}

func (a *acks) hurry() {
	a.mu.Lock()
	a.now = true
	a.mu.Unlock()
	a.wake()
}

// take gives what is to be told now; nil where nothing is.
func (a *acks) take() *pb.AttachRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.now || len(a.due) == 0 {
		a.now = false
		return nil
	}
	a.now, a.bytes = false, 0
	a.timer.Stop()
	ack := &pb.Ack{Sessions: make([]*pb.SessionAck, 0, len(a.due))}
	for id, sequence := range a.due {
		ack.Sessions = append(ack.Sessions, &pb.SessionAck{SessionId: id, Sequence: sequence})
	}
	clear(a.due)
	return &pb.AttachRequest{Command: &pb.AttachRequest_Ack{Ack: ack}}
}

// restart forgets what was due and begins with this: a new stream is told everything again, because acks may have been lost with the old one.
func (a *acks) restart(due map[string]uint64) {
	a.mu.Lock()
	a.due, a.bytes = due, 0
	a.now = len(due) > 0
	a.mu.Unlock()
	a.wake()
}

func (a *acks) stop() { a.timer.Stop() }
