package socketgateway

import (
	"slices"

	pb "socketgateway.dev/gen/tcpip/v1"
)

// straysKept is for how many sessions that nobody here knows envelopes are kept.
const straysKept = 1024

// strays are envelopes of sessions that are not known here (yet): an accepted one may announce itself before the answer to Listen names
// its listener; a subscriber's name may have been used before. They are not acked, so the gateway's bounds hold.
type strays struct {
	sessions map[string][]*pb.Envelope
	order    []string
	// Sessions whose Connect failed, and what still comes of them.
	dropped map[string]struct{}
	lost    []string
}

func newStrays() strays {
	return strays{sessions: map[string][]*pb.Envelope{}, dropped: map[string]struct{}{}}
}

// drop makes what comes of a session be thrown away.
func (s *strays) drop(id string) {
	s.remove(id)
	if len(s.lost) == straysKept {
		delete(s.dropped, s.lost[0])
		s.lost = s.lost[1:]
	}
	s.dropped[id] = struct{}{}
	s.lost = append(s.lost, id)
}

func (s *strays) remove(id string) []*pb.Envelope {
	envelopes, known := s.sessions[id]
	if known {
		delete(s.sessions, id)
		s.order = slices.DeleteFunc(s.order, func(other string) bool { return other == id })
	}
	return envelopes
}

// dispatch hands an envelope to whom it concerns.
func (g *Gateway) dispatch(envelope *pb.Envelope) {
	sequence, id := envelope.GetSequence(), envelope.GetSessionId()
	if sequence <= g.newest {
		g.ackAgain(id, envelope)
		return
	}
	g.newest = sequence
	if id == "" {
		g.dispatchListener(envelope)
		return
	}
	g.mu.Lock()
	known := g.live[id]
	if known == nil {
		known = g.arrived(envelope)
	}
	if known == nil {
		given := g.stray(envelope)
		g.mu.Unlock()
		for session, upTo := range given {
			g.acks.note(session, upTo, 0)
		}
		return
	}
	if envelope.GetEvent() == pb.Event_EVENT_DISCONNECTED {
		// From here on the id may be used again.
		delete(g.live, id)
		g.ended[known] = struct{}{}
	}
	g.mu.Unlock()
	known.handle(envelope)
	known.forgetIfDrained()
}

func (s *socket) forgetIfDrained() {
	s.mu.Lock()
	drained := s.drained()
	s.mu.Unlock()
	if drained {
		s.gateway.forget(s)
	}
}

// arrived makes a session of an accepted connection. The lock is held.
func (g *Gateway) arrived(envelope *pb.Envelope) *socket {
	listener := g.listeners[envelope.GetListenerId()]
	if listener == nil || envelope.GetEvent() != pb.Event_EVENT_CONNECTED {
		return nil
	}
	session := listener.offer(envelope)
	g.live[session.socket.id] = &session.socket
	return &session.socket
}

// stray keeps an envelope of a session that is not known. It gives what is to be acked because it is not kept. The lock is held.
func (g *Gateway) stray(envelope *pb.Envelope) map[string]uint64 {
	id, sequence := envelope.GetSessionId(), envelope.GetSequence()
	if _, dropped := g.strays.dropped[id]; dropped {
		return map[string]uint64{id: sequence}
	}
	var given map[string]uint64
	if _, kept := g.strays.sessions[id]; !kept {
		if len(g.strays.order) == straysKept {
			oldest := g.strays.order[0]
			lost := g.strays.remove(oldest)
			given = map[string]uint64{oldest: lost[len(lost)-1].GetSequence()}
			g.options.logger.Warn("a session that nobody here takes had to make room", "session", oldest)
		}
		g.strays.order = append(g.strays.order, id)
	}
	g.strays.sessions[id] = append(g.strays.sessions[id], envelope)
	return given
}

// dispatchListener takes what names no session: a listener's events, and reports about calls, which their callers have as errors.
func (g *Gateway) dispatchListener(envelope *pb.Envelope) {
	id := envelope.GetListenerId()
	if id != "" {
		g.mu.Lock()
		listener := g.listeners[id]
		if listener != nil && envelope.GetEvent() == pb.Event_EVENT_CLOSED {
			delete(g.listeners, id)
		}
		g.mu.Unlock()
		if listener != nil {
			listener.handle(envelope)
		}
	}
	g.acks.note(id, envelope.GetSequence(), 0)
}

// ackAgain acks what came twice, because its ack was lost with the stream, unless somebody has yet to take it.
func (g *Gateway) ackAgain(id string, envelope *pb.Envelope) {
	if id == "" {
		g.acks.note(envelope.GetListenerId(), envelope.GetSequence(), 0)
		return
	}
	g.mu.Lock()
	oldest := g.oldestWantedOf(id)
	g.mu.Unlock()
	if oldest == 0 || envelope.GetSequence() < oldest {
		g.acks.note(id, envelope.GetSequence(), 0)
	}
}

// oldestWantedOf gives the oldest sequence of a session that somebody here has yet to take; 0: none. The lock is held.
func (g *Gateway) oldestWantedOf(id string) uint64 {
	var oldest uint64
	note := func(sequence uint64) {
		if sequence > 0 && (oldest == 0 || sequence < oldest) {
			oldest = sequence
		}
	}
	// An ended one and a new one may have the same id.
	for known := range g.ended {
		if known.id == id {
			_, wanted := known.ackState()
			note(wanted)
		}
	}
	if known := g.live[id]; known != nil {
		_, wanted := known.ackState()
		note(wanted)
	}
	if envelopes := g.strays.sessions[id]; len(envelopes) > 0 {
		note(envelopes[0].GetSequence())
	}
	return oldest
}

// resumePoint gives the sequence after which a new stream is to go on: the newest one before which nothing is still to be taken.
func (g *Gateway) resumePoint() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	point := g.newest
	note := func(sequence uint64) {
		if sequence > 0 {
			point = min(point, sequence-1)
		}
	}
	for _, known := range g.live {
		_, wanted := known.ackState()
		note(wanted)
	}
	for known := range g.ended {
		_, wanted := known.ackState()
		note(wanted)
	}
	for _, envelopes := range g.strays.sessions {
		note(envelopes[0].GetSequence())
	}
	return point
}

// ackState gives what is acked of every live session.
func (g *Gateway) ackState() map[string]uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	state := map[string]uint64{}
	for known := range g.ended {
		if acked, _ := known.ackState(); acked > 0 {
			state[known.id] = acked
		}
	}
	for id, known := range g.live {
		if acked, _ := known.ackState(); acked > 0 && state[id] == 0 {
			state[id] = acked
		}
	}
	return state
}

// expect makes a session known before it is opened, unless the id is in use already.
func (g *Gateway) expect(known *socket) error {
	g.mu.Lock()
	_, used := g.strays.sessions[known.id]
	g.mu.Unlock()
	if used {
		return errTaken
	}
	return g.adopt(known)
}

// adopt makes a session known. What has come of it already goes to it. errTaken: another has its id.
func (g *Gateway) adopt(known *socket) error {
	g.mu.Lock()
	if g.failed != nil {
		defer g.mu.Unlock()
		return g.failed
	}
	if other := g.live[known.id]; other != nil && other != known {
		g.mu.Unlock()
		return errTaken
	}
	delete(g.strays.dropped, known.id)
	envelopes := g.strays.remove(known.id)
	g.live[known.id] = known
	for _, envelope := range envelopes {
		if envelope.GetEvent() == pb.Event_EVENT_DISCONNECTED {
			delete(g.live, known.id)
			g.ended[known] = struct{}{}
		}
		known.handle(envelope)
	}
	g.mu.Unlock()
	known.forgetIfDrained()
	return nil
}

// abandon throws away what still comes of a session that was not opened after all.
// With foreign the id belongs to another session, of which something may come yet.
func (g *Gateway) abandon(known *socket, foreign bool) {
	known.discard()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live[known.id] == known {
		delete(g.live, known.id)
		if !foreign {
			g.strays.drop(known.id)
		}
	}
	delete(g.ended, known)
}

// release lets go of a session that lives on with its opener.
func (g *Gateway) release(known *socket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live[known.id] == known {
		delete(g.live, known.id)
		g.strays.drop(known.id)
	}
}

// forget lets go of a session that has ended and of which everything was taken.
func (g *Gateway) forget(known *socket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.ended, known)
}
