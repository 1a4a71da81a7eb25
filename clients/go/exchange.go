package socketgateway

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	pb "socketgateway.dev/gen/tcpip/v1"
)

// ExchangeOption is an option of [Session.Exchange].
type ExchangeOption interface{ applyExchange(*exchangeOptions) }

type exchangeOptions struct {
	waitFor    string
	timeout    *time.Duration
	settle     *time.Duration
	unanswered pb.UnansweredAction
	ending     *LineEnding
}

type exchangeOption func(*exchangeOptions)

func (o exchangeOption) applyExchange(to *exchangeOptions) { o(to) }

// Within sets how long the exchange may take, its wait for the turn included: at most 10 min. Without it, until the context ends, or for the
// gateway's default (30 s).
func Within(timeout time.Duration) ExchangeOption {
	return exchangeOption(func(o *exchangeOptions) { o.timeout = &timeout })
}

// SettleTimeout sets for how long the session is kept for the late answer of an exchange that ended without it, so that nobody takes it for
// theirs. Without it, the gateway's default (10 s).
func SettleTimeout(timeout time.Duration) ExchangeOption {
	return exchangeOption(func(o *exchangeOptions) { o.settle = &timeout })
}

// AbortUnanswered aborts the session when the exchange ends without its answer.
func AbortUnanswered() ExchangeOption {
	return exchangeOption(func(o *exchangeOptions) { o.unanswered = pb.UnansweredAction_UNANSWERED_ACTION_ABORT })
}

// EndRequestWith sets the line ending of this request.
func EndRequestWith(ending LineEnding) ExchangeOption {
	return exchangeOption(func(o *exchangeOptions) { o.ending = &ending })
}

// Capture is one capture group of a pattern.
type Capture struct {
	// Name is the group's name; empty where it has none.
	Name string
	// Participated tells whether the group took part in the match.
	Participated bool
	// Value is what it matched.
	Value string
}

// AnswerEnd says what completed an exchange.
type AnswerEnd string

// What completes an exchange.
const (
	// ByMatch: WaitFor matched.
	ByMatch AnswerEnd = "MATCH"
	// ByFrame: a line arrived, or in binary mode whatever one read brought.
	ByFrame AnswerEnd = "FRAME"
	// ByPeerClosed: the peer ended the connection; Lines has what came before.
	ByPeerClosed AnswerEnd = "PEER_CLOSED"
)

// Answer is the answer to an exchange.
type Answer struct {
	// End says what completed it.
	End AnswerEnd
	// Lines has what arrived, oldest first; with WaitFor, what came before the match. In binary mode, one chunk.
	Lines []string
	// Match is the line, or the unfinished rest of one, that matched.
	Match string
	// Captures are the pattern's groups.
	Captures []Capture
	// WriteOffset is the session's outbound byte count after the request.
	WriteOffset uint64
	// ReadOffset is the position in the inbound stream after the answer.
	ReadOffset uint64
}

// Text gives all of the answer: the lines and the match, joined by LF; in binary mode, the bytes.
func (a *Answer) Text() string {
	lines := a.Lines
	if a.End == ByMatch {
		lines = append(lines[:len(lines):len(lines)], a.Match)
	}
	return strings.Join(lines, "\n")
}

// Capture gives what a named group matched; "" where it took no part.
func (a *Answer) Capture(name string) string { return captured(a.Captures, name) }

func captured(captures []Capture, name string) string {
	for _, capture := range captures {
		if capture.Name == name {
			return capture.Value
		}
	}
	return ""
}

// Exchange sends a request, with the session's line ending, and gives its answer: the next line (in binary mode the next chunk), or with
// [WaitFor] everything up to what the pattern matches. Exchanges of one session, also those of other clients, take turns, so no one gets
// the answer of another. What the peer has said before is not part of the answer: it is read as ever.
//
// An empty request sends the line ending alone. [Session.ExchangeItems] can wait for what the peer says next without sending anything.
func (s *Session) Exchange(ctx context.Context, request string, options ...ExchangeOption) (*Answer, error) {
	return s.exchange(ctx, []Item{Line(request)}, options)
}

// ExchangeBytes is Exchange for a request that is sent as it is.
func (s *Session) ExchangeBytes(ctx context.Context, request []byte, options ...ExchangeOption) (*Answer, error) {
	return s.exchange(ctx, []Item{Bytes(request)}, options)
}

// ExchangeItems is Exchange for a request of several items. Without any, nothing is sent: the answer is what the peer says next, the
// unfinished line that it may have said last included.
func (s *Session) ExchangeItems(ctx context.Context, items []Item, options ...ExchangeOption) (*Answer, error) {
	return s.exchange(ctx, items, options)
}

func (s *Session) exchange(ctx context.Context, items []Item, options []ExchangeOption) (*Answer, error) {
	var o exchangeOptions
	for _, option := range options {
		option.applyExchange(&o)
	}
	if s.socket.isClosed() {
		return nil, ErrClosed
	}
	ending := s.ending
	if o.ending != nil {
		ending = *o.ending
	}
	request := &pb.TcpExchangeRequest{
		SessionId:      s.socket.id,
		LineTerminator: ending.proto(),
		WaitFor:        o.waitFor,
		Timeout:        durationOf(o.timeout),
		SettleTimeout:  durationOf(o.settle),
		OnUnanswered:   o.unanswered,
		Subscriber:     s.socket.gateway.subscriber,
	}
	if deadline, bounded := ctx.Deadline(); bounded && o.timeout == nil {
		request.Timeout = durationpb.New(min(max(time.Until(deadline), time.Millisecond), longestExchange))
	}
	for _, item := range items {
		payload, _ := item.proto(ending)
		request.Payload = append(request.Payload, payload)
	}
	s.beginExchange()
	said, err := s.socket.gateway.rpc.TcpExchange(ctx, request)
	s.endExchange(said, err)
	if err != nil {
		return nil, fromRPC(ctx, "exchange", err)
	}
	return answerOf(said), nil
}

// longestExchange is the gateway's bound.
const longestExchange = 10 * time.Minute

// While an exchange is under way, a send cannot know at which offset it begins.
func (s *Session) beginExchange() {
	s.socket.mu.Lock()
	s.socket.touched = true
	s.socket.mu.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	s.exchanges++
	s.offsetKnown = false
}

func (s *Session) endExchange(said *pb.TcpExchangeResponse, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.exchanges--
	if err == nil && s.exchanges == 0 && len(s.sending) == 0 {
		s.offset, s.offsetKnown = said.GetWriteOffset(), true
	}
}

func answerOf(said *pb.TcpExchangeResponse) *Answer {
	return &Answer{
		End:         AnswerEnd(strings.TrimPrefix(said.GetEnd().String(), "EXCHANGE_END_")),
		Lines:       linesOf(said.GetFrames()),
		Match:       lineOf(said.GetMatch()),
		Captures:    capturesOf(said.GetCaptures()),
		WriteOffset: said.GetWriteOffset(),
		ReadOffset:  said.GetReadOffset(),
	}
}

func lineOf(line *pb.Line) string {
	if raw, ok := line.GetContent().(*pb.Line_Bytes); ok {
		return string(raw.Bytes)
	}
	return line.GetText()
}

func linesOf(lines []*pb.Line) []string {
	texts := make([]string, len(lines))
	for i, line := range lines {
		texts[i] = lineOf(line)
	}
	return texts
}

func capturesOf(captures []*pb.Capture) []Capture {
	groups := make([]Capture, len(captures))
	for i, capture := range captures {
		groups[i] = Capture{capture.GetName(), capture.GetParticipated(), lineOf(capture.GetValue())}
	}
	return groups
}
