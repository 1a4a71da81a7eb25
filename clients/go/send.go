package socketgateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	pb "socketgateway.dev/gen/tcpip/v1"
)

// largestPiece is the most that Send hands over at once; what is larger goes in pieces.
const largestPiece = 128 << 10

// SendOption is an option of sends, and of [Session.Claim].
type SendOption interface{ applySend(*sendOptions) }

type sendOptions struct {
	ending   *LineEnding
	claim    bool
	waitFor  *string
	timeout  *time.Duration
	expected *uint64
	emitSent bool
}

type sendOption func(*sendOptions)

func (o sendOption) applySend(to *sendOptions) { o(to) }

func sendOptionsOf(options []SendOption) (o sendOptions) {
	for _, option := range options {
		option.applySend(&o)
	}
	return o
}

// WaitForOption is what [WaitFor] gives.
type WaitForOption string

// WaitFor collects lines until one of them, or the unfinished rest of one, matches the pattern: a regular expression in the syntax of
// Rust's regex crate, which is that of package regexp for most purposes. It is an option of Connect and Listen (with [LineMode]), of
// Exchange, for its one answer, and of sends and Claim, for everything from then on; there an empty one ends the waiting.
func WaitFor(pattern string) WaitForOption { return WaitForOption(pattern) }

func (p WaitForOption) applyConnect(o *socketOptions)    { o.waitFor = string(p) }
func (p WaitForOption) applyListen(o *socketOptions)     { o.waitFor = string(p) }
func (p WaitForOption) applyExchange(o *exchangeOptions) { o.waitFor = string(p) }
func (p WaitForOption) applySend(o *sendOptions) {
	pattern := string(p)
	o.waitFor, o.claim = &pattern, true
}

// ClaimData makes the session's data come to this client from this send on.
func ClaimData() SendOption { return sendOption(func(o *sendOptions) { o.claim = true }) }

// EmitSent makes an event of it when the operating system has taken the send.
func EmitSent() SendOption { return sendOption(func(o *sendOptions) { o.emitSent = true }) }

// NewTimeout gives the session another inactivity timeout, which stays; 0: none.
func NewTimeout(after time.Duration) SendOption {
	return sendOption(func(o *sendOptions) { o.timeout = &after })
}

// ExpectOffset sends only where the session's write offset ([Sent].WriteOffset of the send before) is this; it is ErrWriteOffsetMismatch
// otherwise.
func ExpectOffset(offset uint64) SendOption {
	return sendOption(func(o *sendOptions) { o.expected = &offset })
}

// EndWith sets the line ending of this send.
func EndWith(ending LineEnding) SendOption {
	return sendOption(func(o *sendOptions) { o.ending = &ending })
}

// Item is one part of a send. It is written whole or not at all, and by itself.
type Item struct {
	payload []byte
	line    bool
}

// Bytes is an item that is sent as it is.
func Bytes(payload []byte) Item { return Item{payload: payload} }

// Line is an item that is followed by the session's line ending.
func Line(text string) Item { return Item{payload: []byte(text), line: true} }

// Sent tells about a send that the operating system has taken.
type Sent struct {
	// MessageID is the gateway's id for it; empty where its answer was lost with a broken stream, which told later that it was written.
	MessageID string
	// Items counts what was written.
	Items int
	// WriteOffset is the session's outbound byte count after it.
	WriteOffset uint64
}

// Send writes data, and returns when the gateway's operating system has taken all of it. It waits for a peer that does not read.
//
// A send whose context ends may still be written, before later ones.
func (s *Session) Send(ctx context.Context, data []byte, options ...SendOption) error {
	_, err := s.write(ctx, ctx.Done(), data, sendOptionsOf(options))
	return s.stopped(ctx, "send", err)
}

// SendLine writes text and the session's line ending; otherwise as Send.
func (s *Session) SendLine(ctx context.Context, text string, options ...SendOption) error {
	_, err := s.SendItems(ctx, []Item{Line(text)}, options...)
	return err
}

// SendItems writes items in order, none of another send in between, and tells about it; otherwise as Send. All of them together may have
// as many bytes as the gateway takes in one call (1 MiB).
func (s *Session) SendItems(ctx context.Context, items []Item, options ...SendOption) (Sent, error) {
	o := sendOptionsOf(options)
	sent, err := s.send(ctx, ctx.Done(), items, &o)
	return sent, s.stopped(ctx, "send", err)
}

func (s *Session) stopped(ctx context.Context, op string, err error) error {
	if errors.Is(err, errStopped) {
		return fmt.Errorf("socketgateway: %s: %w", op, context.Cause(ctx))
	}
	return err
}

// write sends data in pieces; it gives how much was taken.
func (s *Session) write(ctx context.Context, stop <-chan struct{}, data []byte, o sendOptions) (int, error) {
	done := 0
	for first := true; first || done < len(data); first = false {
		piece := data[done:min(len(data), done+s.piece())]
		sent, err := s.send(ctx, stop, []Item{Bytes(piece)}, &o)
		if err != nil {
			return done, err
		}
		done += len(piece)
		if o.expected != nil {
			o.expected = &sent.WriteOffset
		}
	}
	return done, nil
}

// piece gives how much may always be sent at once.
func (s *Session) piece() int {
	s.socket.gateway.mu.Lock()
	defer s.socket.gateway.mu.Unlock()
	return int(min(largestPiece, max(1, s.socket.gateway.credit/2)))
}

// send hands one send over and waits for its answer. There is one at a time, so that their order and the offset each begins at are certain.
func (s *Session) send(ctx context.Context, stop <-chan struct{}, items []Item, o *sendOptions) (Sent, error) {
	request, size := s.request(items, o)
	select {
	case s.sending <- struct{}{}:
	case <-stop:
		return Sent{}, errStopped
	}
	select {
	case <-s.socket.done:
		<-s.sending
		return Sent{}, s.socket.endError("send")
	default:
	}
	if s.socket.isClosed() {
		<-s.sending
		return Sent{}, ErrClosed
	}
	if size > uint64(s.piece()) {
		return s.sendApart(ctx, request, size, o)
	}
	asked := &command{
		request: &pb.AttachRequest{Command: &pb.AttachRequest_TcpSend{TcpSend: request}},
		session: s,
		size:    size,
		strict:  o.expected != nil,
	}
	for {
		s.expect(request, o)
		ok, err := s.start(asked)
		if err != nil {
			<-s.sending
			return Sent{}, err
		}
		if ok {
			break
		}
		select {
		case <-s.credited:
		case <-stop:
			<-s.sending
			return Sent{}, errStopped
		}
	}
	select {
	case outcome := <-asked.result:
		return sentOf(outcome)
	case <-stop:
		return Sent{}, errStopped
	}
}

// start enqueues a send where the session's credit allows it.
func (s *Session) start(asked *command) (bool, error) {
	g := s.socket.gateway
	asked.result = make(chan result, 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return false, g.failed
	}
	if s.streamLimit == 0 {
		s.streamLimit = g.credit
	}
	if s.streamSent+asked.size > s.streamLimit {
		return false, nil
	}
	s.streamSent += asked.size
	g.enqueueLocked(asked)
	return true, nil
}

func (g *Gateway) renewCredit(credit *pb.SendCredit) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if known := g.live[credit.GetSessionId()]; known != nil && known.session != nil {
		known.session.streamLimit = max(known.session.streamLimit, credit.GetSendLimit())
		signal(known.session.credited)
	}
}

func (s *Session) request(items []Item, o *sendOptions) (*pb.TcpSendRequest, uint64) {
	ending := s.ending
	if o.ending != nil {
		ending = *o.ending
	}
	request := &pb.TcpSendRequest{
		SessionId:      s.socket.id,
		LineTerminator: ending.proto(),
		WaitFor:        o.waitFor,
		Timeout:        durationOf(o.timeout),
		EmitSent:       o.emitSent,
	}
	if o.claim || o.emitSent {
		request.Subscriber = s.socket.gateway.subscriber
	}
	size := 0
	for _, item := range items {
		payload, length := item.proto(ending)
		request.Payload = append(request.Payload, payload)
		size += length
	}
	return request, uint64(size)
}

// proto gives the item's message and how many bytes it puts on the wire. A line that is not UTF-8 goes as bytes, with its ending.
func (i Item) proto(ending LineEnding) (*pb.PayloadItem, int) {
	if !i.line {
		// A copy: a send that was given up may go on after its caller has the buffer back.
		return &pb.PayloadItem{Item: &pb.PayloadItem_Bytes{Bytes: bytes.Clone(i.payload)}}, len(i.payload)
	}
	length := len(i.payload) + len(ending)
	if !utf8.Valid(i.payload) {
		whole := append(append(make([]byte, 0, length), i.payload...), ending...)
		return &pb.PayloadItem{Item: &pb.PayloadItem_Bytes{Bytes: whole}}, length
	}
	return &pb.PayloadItem{Item: &pb.PayloadItem_Text{Text: string(i.payload)}}, length
}

// expect makes the send name the offset it begins at, where that is certain: so its repetition on another stream is recognised.
func (s *Session) expect(request *pb.TcpSendRequest, o *sendOptions) {
	request.ExpectedWriteOffset = nil
	if o.expected != nil {
		request.ExpectedWriteOffset = o.expected
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.exclusive && s.offsetKnown && s.exchanges == 0 {
		offset := s.offset
		request.ExpectedWriteOffset = &offset
	}
}

// settle takes the answer to a send. False: the send is tried again.
func (s *Session) settle(asked *command, outcome *result) bool {
	request := asked.request.GetTcpSend()
	s.writing.Lock()
	defer s.writing.Unlock()
	if said := outcome.answer.GetTcpSend(); said != nil {
		s.offset, s.offsetKnown = said.GetWriteOffset(), s.exchanges == 0
	}
	if said := outcome.answer.GetError(); said.GetErrorCode() == string(ErrWriteOffsetMismatch) && request.ExpectedWriteOffset != nil {
		begin := request.GetExpectedWriteOffset()
		switch at, err := strconv.ParseUint(said.GetMetadata()["writeOffset"], 10, 64); {
		case err != nil:
		case asked.resent && at == begin+asked.size:
			// The first time it was written, and only the answer was lost.
			s.offset, s.offsetKnown = at, s.exchanges == 0
			outcome.answer = &pb.Answer{Result: &pb.Answer_TcpSend{TcpSend: &pb.TcpSendResponse{
				ChunkCount:  uint32(len(request.GetPayload())),
				WriteOffset: at,
			}}}
		case asked.resent:
			*outcome = result{err: ErrUncertain}
		case !asked.strict:
			// Others write to this session as well. Nothing was written, so it is simply sent again.
			s.exclusive, s.offsetKnown = false, false
			if s.repeat(asked) {
				return false
			}
		}
	}
	<-s.sending
	return true
}

// repeat enqueues a send again without an expectation. False: nothing is sent any more.
func (s *Session) repeat(asked *command) bool {
	g := s.socket.gateway
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return false
	}
	asked.request.GetTcpSend().ExpectedWriteOffset = nil
	asked.sent = false
	s.streamSent += asked.size
	g.enqueueLocked(asked)
	return true
}

// sendApart makes a call of its own of a send that is larger than a stream's credit.
func (s *Session) sendApart(ctx context.Context, request *pb.TcpSendRequest, size uint64, o *sendOptions) (Sent, error) {
	defer func() { <-s.sending }()
	s.expect(request, o)
	for resent := false; ; resent = true {
		said, err := s.socket.gateway.rpc.TcpSend(ctx, request)
		s.writing.Lock()
		s.offset, s.offsetKnown = said.GetWriteOffset(), err == nil && s.exchanges == 0
		s.writing.Unlock()
		if err == nil {
			return Sent{said.GetMessageId(), int(said.GetChunkCount()), said.GetWriteOffset()}, nil
		}
		failed := fromRPC(ctx, "send", err)
		var told *Error
		switch {
		case errors.As(failed, &told) && told.Reason == ErrWriteOffsetMismatch && request.ExpectedWriteOffset != nil:
			at, _ := strconv.ParseUint(told.Metadata["writeOffset"], 10, 64)
			if resent {
				if at == request.GetExpectedWriteOffset()+size {
					return Sent{Items: len(request.GetPayload()), WriteOffset: at}, nil
				}
				return Sent{}, fmt.Errorf("socketgateway: send: %w", ErrUncertain)
			}
			if o.expected != nil {
				return Sent{}, failed
			}
			s.writing.Lock()
			s.exclusive = false
			s.writing.Unlock()
			request.ExpectedWriteOffset = nil
		case status.Code(err) == codes.Unavailable && request.ExpectedWriteOffset != nil:
			if err := s.socket.gateway.reached(ctx); err != nil {
				return Sent{}, err
			}
		default:
			return Sent{}, failed
		}
	}
}

func sentOf(outcome result) (Sent, error) {
	if err := outcome.failure("send"); err != nil {
		return Sent{}, err
	}
	said := outcome.answer.GetTcpSend()
	return Sent{said.GetMessageId(), int(said.GetChunkCount()), said.GetWriteOffset()}, nil
}
