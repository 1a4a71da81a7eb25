package socketgateway

import (
	"cmp"
	"fmt"
	"slices"

	pb "socketgateway.dev/gen/tcpip/v1"
)

// command is one thing asked of the gateway on the stream. It survives the stream: what was not answered is asked again on the next one.
type command struct {
	request *pb.AttachRequest
	// The session and the payload bytes of a send; nil for others.
	session *Session
	size    uint64
	// The caller of the send named the offset it expects.
	strict bool
	// What it occupies until it is answered.
	slot chan struct{}
	// Handed to a stream (set by its writer); asked again on another one (set while there is none).
	sent, resent bool
	result       chan result
}

// result is the answer to a command, or why there will be none.
type result struct {
	answer *pb.Answer
	err    error
}

// failure gives the error of a command that failed.
func (r result) failure(op string) error {
	if r.err != nil {
		return fmt.Errorf("socketgateway: %s: %w", op, r.err)
	}
	if said := r.answer.GetError(); said != nil {
		return fromCommand(op, said)
	}
	return nil
}

// enqueue gives a command to the stream, or to the next one.
func (g *Gateway) enqueue(asked *command) (*command, error) {
	asked.result = make(chan result, 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return nil, g.failed
	}
	g.enqueueLocked(asked)
	return asked, nil
}

func (g *Gateway) enqueueLocked(asked *command) {
	g.lastCommand++
	asked.request.CorrelationId = g.lastCommand
	g.unanswered[g.lastCommand] = asked
	g.queue = append(g.queue, asked)
	signal(g.writable)
}

// takeQueue gives what is to be sent now.
func (g *Gateway) takeQueue() []*command {
	g.mu.Lock()
	defer g.mu.Unlock()
	queue := g.queue
	g.queue = nil
	return queue
}

// answer hands an answer to who asked.
func (g *Gateway) answer(answer *pb.Answer) {
	g.mu.Lock()
	asked := g.unanswered[answer.GetCorrelationId()]
	delete(g.unanswered, answer.GetCorrelationId())
	g.mu.Unlock()
	if asked != nil {
		asked.settle(result{answer: answer})
	}
}

func (c *command) settle(outcome result) {
	if c.session != nil && !c.session.settle(c, &outcome) {
		return
	}
	if c.slot != nil {
		<-c.slot
	}
	c.result <- outcome
}

// requeue puts every unanswered command before a new stream, in the order they were given. Sends count against its fresh credit. What
// was sent before and cannot be told from its repetition is given up.
func (g *Gateway) requeue(credit uint64) {
	g.mu.Lock()
	g.credit = credit
	for _, known := range g.live {
		if known.session != nil {
			known.session.streamSent, known.session.streamLimit = 0, credit
			signal(known.session.credited)
		}
	}
	g.queue = nil
	var givenUp []*command
	for id, asked := range g.unanswered {
		send := asked.request.GetTcpSend()
		asked.resent = asked.resent || asked.sent
		if asked.resent && send != nil && send.ExpectedWriteOffset == nil {
			delete(g.unanswered, id)
			givenUp = append(givenUp, asked)
			continue
		}
		if asked.session != nil {
			asked.session.streamSent += asked.size
		}
		g.queue = append(g.queue, asked)
	}
	slices.SortFunc(g.queue, func(a, b *command) int {
		return cmp.Compare(a.request.GetCorrelationId(), b.request.GetCorrelationId())
	})
	g.mu.Unlock()
	for _, asked := range givenUp {
		asked.settle(result{err: ErrUncertain})
	}
	signal(g.writable)
}

// giveUp fails commands that nobody will answer: those of one session, or all.
func (g *Gateway) giveUp(err error, concerned func(*command) bool) {
	var lost []*command
	g.mu.Lock()
	for id, asked := range g.unanswered {
		if concerned(asked) {
			delete(g.unanswered, id)
			lost = append(lost, asked)
		}
	}
	g.queue = slices.DeleteFunc(g.queue, concerned)
	g.mu.Unlock()
	for _, asked := range lost {
		asked.settle(result{err: err})
	}
}
