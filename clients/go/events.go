package socketgateway

import (
	"strings"
	"time"

	pb "socketgateway.dev/gen/tcpip/v1"
)

// CloseReason says why a session ended.
type CloseReason string

// Why sessions end.
const (
	// PeerClosed: the peer ended the connection.
	PeerClosed CloseReason = "PEER_CLOSED"
	// PeerReset: the peer reset the connection.
	PeerReset CloseReason = "PEER_RESET"
	// ByRequest: Disconnect or Close, by whomever.
	ByRequest CloseReason = "BY_REQUEST"
	// TimedOut: it was inactive for its timeout.
	TimedOut CloseReason = "TIMEOUT"
	// Aborted: Abort, or a Connect that was given up.
	Aborted CloseReason = "ABORT"
	// Orphaned: nobody was attached to it and nobody touched it for its orphan timeout.
	Orphaned CloseReason = "ORPHANED"
	// Shutdown: the gateway went down.
	Shutdown CloseReason = "SHUTDOWN"
	// Replaced: another took its place.
	Replaced CloseReason = "REPLACED"
	// Failed: an error; the event before says which.
	Failed CloseReason = "ERROR"
	// Lost: the gateway was restarted or has forgotten this client, or the Gateway was closed: nobody told the end.
	Lost CloseReason = "LOST"
)

func (r CloseReason) sentence() string {
	return strings.ToLower(strings.ReplaceAll(string(r), "_", " "))
}

func closeReason(reason pb.CloseReason) CloseReason {
	return CloseReason(strings.TrimPrefix(reason.String(), "CLOSE_REASON_"))
}

// End is how a session ended.
type End struct {
	// Reason says why.
	Reason CloseReason
	// BytesReceived counts what was read from the peer.
	BytesReceived uint64
	// BytesSent counts what the operating system took.
	BytesSent uint64
	// Err is what was wrong; nil where the peer or a caller ended it in order.
	Err error
}

// EventKind says what happened.
type EventKind string

// What happens to sessions, listeners and UDP sockets.
const (
	// Connecting: a connection is being made; the first event of a dialled session.
	Connecting EventKind = "CONNECTING"
	// Connected: the connection is open; the first event of an accepted session.
	Connected EventKind = "CONNECTED"
	// Listening: a listener or a UDP socket is bound.
	Listening EventKind = "LISTENING"
	// SentAll: a send with EmitSent was taken whole by the operating system.
	SentAll EventKind = "SENT"
	// Disconnecting: a close was asked for.
	Disconnecting EventKind = "DISCONNECTING"
	// Disconnected: the session has ended; always the last event.
	Disconnected EventKind = "DISCONNECTED"
	// ListenerClosed: the listener has ended; always its last event.
	ListenerClosed EventKind = "CLOSED"
	// Inactive: the session was inactive for its timeout.
	Inactive EventKind = "TIMEOUT"
	// Erred: something failed; Event.Err says what.
	Erred EventKind = "ERROR"
	// HalfClosed: the peer ended its direction, and the session may still send.
	HalfClosed EventKind = "HALF_CLOSED"
)

// Event is one thing that happened to a session, a listener or a UDP socket.
type Event struct {
	// Time is when the gateway saw it.
	Time time.Time
	// Kind says what happened.
	Kind EventKind
	// Err is the error, with Erred and Inactive.
	Err *Error
	// End is how it ended, with Disconnected.
	End *End
	// MessageID is the id of the send, with SentAll.
	MessageID string
	// Sequence numbers everything the gateway told this client, in order.
	Sequence uint64
	// Missed counts the older events that had no room, because nobody took them.
	Missed uint64
}

func eventOf(envelope *pb.Envelope) Event {
	event := Event{
		Time:      envelope.GetTimestamp().AsTime(),
		Kind:      EventKind(strings.TrimPrefix(envelope.GetEvent().String(), "EVENT_")),
		MessageID: envelope.GetSent().GetMessageId(),
		Sequence:  envelope.GetSequence(),
		Missed:    envelope.GetDroppedBefore(),
	}
	if envelope.GetStatus() == pb.Status_STATUS_ERROR {
		event.Err = fromEnvelope(envelope)
	}
	if told := envelope.GetDisconnected(); told != nil {
		event.End = &End{
			Reason:        closeReason(told.GetReason()),
			BytesReceived: told.GetBytesReceived(),
			BytesSent:     told.GetBytesSent(),
		}
	}
	return event
}

// eventsKept is how many events of one session wait for a reader; most programs read none, so the oldest go.
const eventsKept = 256

// eventQueue keeps the newest events.
type eventQueue struct {
	waiting []Event
	missed  uint64
	ended   bool
	ready   chan struct{}
}

func newEventQueue() eventQueue { return eventQueue{ready: make(chan struct{}, 1)} }

func (q *eventQueue) add(event Event) {
	if q.ended {
		return
	}
	if len(q.waiting) == eventsKept {
		q.missed += 1 + q.waiting[0].Missed
		q.waiting = append(q.waiting[:0], q.waiting[1:]...)
	}
	q.waiting = append(q.waiting, event)
	signal(q.ready)
}

func (q *eventQueue) close() {
	q.ended = true
	signal(q.ready)
}

// take gives the next event; over says that none will come any more.
func (q *eventQueue) take() (event Event, ok, over bool) {
	if len(q.waiting) == 0 {
		return Event{}, false, q.ended
	}
	event, q.waiting = q.waiting[0], q.waiting[1:]
	event.Missed += q.missed
	q.missed = 0
	return event, true, false
}

// signal wakes one waiter, or the next one that comes.
func signal(ready chan struct{}) {
	select {
	case ready <- struct{}{}:
	default:
	}
}
