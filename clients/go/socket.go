package socketgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	pb "socketgateway.dev/gen/tcpip/v1"
)

// errStopped says that a wait was given up; the caller knows why and makes a better error of it.
var errStopped = errors.New("stopped")

// received is one data envelope that nobody has taken yet.
type received struct {
	sequence uint64
	data     *pb.Data
	missed   uint64
}

// socket is what sessions and UDP sockets have in common: what has arrived and was not taken, how it ends, and what may be acked.
//
// What waits here is not acked, so the gateway's bound on a session's backlog is the bound of this queue too.
type socket struct {
	gateway *Gateway
	id      string
	// Of which life of the gateway's memory of this client it is: sequences of another mean nothing.
	generation uint64
	// Opened by this Gateway, which closes it with itself.
	owned bool
	// Another opened it and is told its end; it is only let go here.
	lent bool
	// What it is the lower half of.
	session *Session
	ready   chan struct{}
	done    chan struct{}

	mu       sync.Mutex
	waiting  []received
	position uint64
	// The newest sequence it was given, and that of the envelope a reader has in hand; 0: none.
	newest, inHand uint64
	// Sequence of the `connected` of a session that was not accepted yet; 0: accepted.
	unaccepted uint64
	local      net.Addr
	remote     net.Addr
	// Something was taken, or went to an exchange.
	touched    bool
	halfClosed bool
	closed     bool
	ended      bool
	end        End
	lastError  *Error
	events     eventQueue
}

func newSocket(gateway *Gateway, id string, owned bool) socket {
	return socket{
		gateway:    gateway,
		id:         id,
		generation: gateway.generation.Load(),
		owned:      owned,
		ready:      make(chan struct{}, 1),
		done:       make(chan struct{}),
		events:     newEventQueue(),
	}
}

// handle takes one envelope in. It never waits.
func (s *socket) handle(envelope *pb.Envelope) {
	s.mu.Lock()
	s.newest = envelope.GetSequence()
	switch envelope.GetEvent() {
	case pb.Event_EVENT_DATA:
		s.handleData(envelope)
	case pb.Event_EVENT_CONNECTED:
		s.setEnds(envelope.GetConnected())
	case pb.Event_EVENT_HALF_CLOSED:
		s.halfClosed = true
	case pb.Event_EVENT_ERROR, pb.Event_EVENT_TIMEOUT:
		s.lastError = fromEnvelope(envelope)
	case pb.Event_EVENT_DISCONNECTED:
		told := envelope.GetDisconnected()
		s.endWith(End{
			Reason:        closeReason(told.GetReason()),
			BytesReceived: told.GetBytesReceived(),
			BytesSent:     told.GetBytesSent(),
		}, nil)
	}
	if envelope.GetEvent() != pb.Event_EVENT_DATA {
		event := eventOf(envelope)
		if event.End != nil {
			event.End = &s.end
		}
		s.events.add(event)
		if s.ended {
			s.events.close()
		}
	}
	acked := s.ackable()
	s.mu.Unlock()
	signal(s.ready)
	s.note(acked, 0)
}

func (s *socket) handleData(envelope *pb.Envelope) {
	data := envelope.GetData()
	if s.closed {
		return
	}
	// Sequences tell duplicates already; the offset is a second look that costs nothing.
	if next := data.GetNextOffset(); next > 0 {
		if next <= s.position {
			return
		}
		s.position = next
	}
	s.waiting = append(s.waiting, received{envelope.GetSequence(), data, envelope.GetDroppedBefore()})
}

func (s *socket) setEnds(ends *pb.Connected) {
	if ends != nil {
		s.remote = tcpAddr(ends.GetRemoteHost(), ends.GetRemotePort())
		s.local = tcpAddr(ends.GetLocalHost(), ends.GetLocalPort())
	}
}

// endWith ends it; err is the reason where the gateway told none. The lock is held.
func (s *socket) endWith(end End, err error) {
	if s.ended {
		return
	}
	if err == nil {
		err = endOf(end, s.lastError)
	}
	end.Err = err
	s.ended, s.end = true, end
	close(s.done)
}

// lose ends it where no `disconnected` will come.
func (s *socket) lose(err error) {
	s.mu.Lock()
	s.endWith(End{Reason: Lost}, err)
	s.events.close()
	s.mu.Unlock()
	signal(s.ready)
}

// take gives the next data envelope, in order. With hold it is acked by release only. At the end it gives io.EOF, or what was wrong.
func (s *socket) take(stop <-chan struct{}, hold bool) (received, error) {
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			signal(s.ready)
			return received{}, ErrClosed
		}
		if len(s.waiting) > 0 {
			item := s.waiting[0]
			s.waiting[0] = received{}
			s.waiting = s.waiting[1:]
			s.touched = true
			if hold {
				s.inHand = item.sequence
			}
			more := len(s.waiting) > 0 || s.halfClosed || s.ended
			acked, drained := s.ackable(), s.drained()
			s.mu.Unlock()
			if more {
				signal(s.ready)
			}
			if !hold {
				s.ack(acked, item, drained)
			}
			return item, nil
		}
		over, err := s.halfClosed || s.ended, s.end.Err
		s.mu.Unlock()
		if over {
			signal(s.ready)
			if err == nil {
				err = io.EOF
			}
			return received{}, err
		}
		select {
		case <-s.ready:
		case <-stop:
			// For another reader, if there is one.
			signal(s.ready)
			return received{}, errStopped
		}
	}
}

// release acks the envelope that take left in hand.
func (s *socket) release(item received) {
	s.mu.Lock()
	s.inHand = 0
	acked, drained := s.ackable(), s.drained()
	s.mu.Unlock()
	s.ack(acked, item, drained)
}

func (s *socket) note(upTo uint64, bytes int) {
	if s.generation == s.gateway.generation.Load() {
		s.gateway.acks.note(s.id, upTo, bytes)
	}
}

func (s *socket) ack(upTo uint64, item received, drained bool) {
	s.note(upTo, cost(item.data))
	if drained {
		s.gateway.forget(s)
	}
}

// ackable says up to which sequence everything was taken. The lock is held.
func (s *socket) ackable() uint64 {
	upTo := s.newest
	if len(s.waiting) > 0 {
		upTo = min(upTo, s.waiting[0].sequence-1)
	}
	if s.inHand > 0 {
		upTo = min(upTo, s.inHand-1)
	}
	if s.unaccepted > 0 {
		upTo = min(upTo, s.unaccepted-1)
	}
	return upTo
}

func (s *socket) drained() bool { return s.ended && len(s.waiting) == 0 && s.inHand == 0 }

// ackState gives what is acked and the oldest sequence that is still wanted from the gateway; 0: none.
func (s *socket) ackState() (acked, oldest uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	acked = s.ackable()
	if acked < s.newest {
		oldest = acked + 1
	}
	return acked, oldest
}

// discard gives up what has arrived and what will. True: it was not closed before.
func (s *socket) discard() bool {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.waiting, s.inHand, s.unaccepted = nil, 0, 0
	acked, drained := s.ackable(), s.ended
	s.mu.Unlock()
	signal(s.ready)
	s.note(acked, 0)
	if drained {
		s.gateway.forget(s)
	}
	return first
}

func (s *socket) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *socket) addrs() (local, remote net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.local, s.remote
}

// endError is the error of using a socket that has ended.
func (s *socket) endError(op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.end.Reason == Lost && s.end.Err != nil {
		return s.end.Err
	}
	return notFound(op, s.id, s.end.Reason)
}

// nextEvent gives the next event; io.EOF after the last.
func (s *socket) nextEvent(ctx context.Context) (Event, error) {
	for {
		s.mu.Lock()
		event, ok, over := s.events.take()
		more := len(s.events.waiting) > 0 || s.events.ended
		s.mu.Unlock()
		if more {
			signal(s.events.ready)
		}
		if ok {
			return event, nil
		}
		if over {
			return Event{}, io.EOF
		}
		select {
		case <-s.events.ready:
		case <-ctx.Done():
			return Event{}, fmt.Errorf("socketgateway: events: %w", context.Cause(ctx))
		}
	}
}

// closedWith waits for the end.
func (s *socket) closedWith(ctx context.Context) (End, error) {
	select {
	case <-s.done:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.end, nil
	case <-ctx.Done():
		return End{}, fmt.Errorf("socketgateway: waiting for the end: %w", context.Cause(ctx))
	}
}

// disconnect asks the gateway to close it. That it has ended already is no error.
func (s *socket) disconnect(ctx context.Context, abort bool) error {
	asked, err := s.gateway.enqueue(&command{request: &pb.AttachRequest{
		Command: &pb.AttachRequest_TcpDisconnect{
			TcpDisconnect: &pb.TcpDisconnectRequest{SessionId: s.id, Abort: abort},
		},
	}})
	if err != nil {
		return err
	}
	select {
	case result := <-asked.result:
		if err := result.failure("disconnect"); err != nil && !hasReason(err, ErrSessionNotFound) {
			return err
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("socketgateway: disconnect: %w", context.Cause(ctx))
	}
}

// hangUp asks the gateway to close it, without waiting for the answer. What is lent is only let go.
func (s *socket) hangUp() {
	if s.lent {
		s.gateway.release(s)
		return
	}
	select {
	case <-s.done:
		return
	default:
	}
	// The Gateway may be closed, and has closed it then.
	_, _ = s.gateway.enqueue(&command{request: &pb.AttachRequest{
		Command: &pb.AttachRequest_TcpDisconnect{TcpDisconnect: &pb.TcpDisconnectRequest{SessionId: s.id}},
	}})
}

// cost is about what the gateway counts for an envelope.
func cost(data *pb.Data) int {
	size := int(data.GetNextOffset() - data.GetOffset())
	if datagram := data.GetDatagram(); datagram != nil {
		size = int(datagram.GetSize())
	}
	return size + 128
}
