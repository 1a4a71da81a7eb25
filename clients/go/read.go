package socketgateway

import (
	"context"
	"fmt"
	"io"
	"iter"

	pb "socketgateway.dev/gen/tcpip/v1"
)

// Match is what [WaitFor] found: the lines before and the one that matched.
type Match struct {
	// Lines has the lines before the match, oldest first.
	Lines []string
	// Matched is false where lines are handed over without a match: because the claim moved, too many were collected, or the session ended.
	Matched bool
	// Line is the line, or the unfinished rest of one, that matched.
	Line string
	// Captures are the pattern's groups.
	Captures []Capture
	// Unfinished tells that the last of Lines has no line end, because the session ended in the middle of it.
	Unfinished bool
}

// Capture gives what a named group matched; "" where it took no part.
func (m Match) Capture(name string) string { return captured(m.Captures, name) }

// NextChunk gives the next bytes that arrived, as they came; io.EOF when the peer has ended the connection. For binary sessions.
func (s *Session) NextChunk(ctx context.Context) ([]byte, error) {
	if s.lines {
		return nil, ErrWrongMode
	}
	item, err := s.socket.take(ctx.Done(), false)
	if err != nil {
		return nil, s.readError(ctx, err)
	}
	return chunkOf(item.data), nil
}

// Chunks goes through what arrives, chunk by chunk, to the end of the session. An end that is out of order is the last pair's error.
func (s *Session) Chunks(ctx context.Context) iter.Seq2[[]byte, error] { return each(ctx, s.NextChunk) }

// NextLine gives the next line, without its end; io.EOF when the peer has ended the connection. Lines of a match come one by one. A line
// that is not UTF-8 comes unaltered. For sessions in line mode.
func (s *Session) NextLine(ctx context.Context) (string, error) {
	if !s.lines {
		return "", ErrWrongMode
	}
	for {
		s.reading.Lock()
		if len(s.left) > 0 {
			line := s.left[0]
			s.left = s.left[1:]
			s.reading.Unlock()
			return line, nil
		}
		s.reading.Unlock()
		item, err := s.socket.take(ctx.Done(), false)
		if err != nil {
			return "", s.readError(ctx, err)
		}
		match := matchOf(item.data)
		lines := match.Lines
		if match.Matched {
			lines = append(lines, match.Line)
		}
		s.reading.Lock()
		s.left = append(s.left, lines...)
		s.reading.Unlock()
	}
}

// Lines goes through the lines that arrive, to the end of the session. An end that is out of order is the last pair's error.
func (s *Session) Lines(ctx context.Context) iter.Seq2[string, error] { return each(ctx, s.NextLine) }

// NextMatch gives what the pattern of [WaitFor] found next; io.EOF when the peer has ended the connection. Without a pattern, each line is a
// Match by itself that did not match. For sessions in line mode.
func (s *Session) NextMatch(ctx context.Context) (Match, error) {
	if !s.lines {
		return Match{}, ErrWrongMode
	}
	item, err := s.socket.take(ctx.Done(), false)
	if err != nil {
		return Match{}, s.readError(ctx, err)
	}
	return matchOf(item.data), nil
}

// Matches goes through the matches, to the end of the session. An end that is out of order is the last pair's error.
func (s *Session) Matches(ctx context.Context) iter.Seq2[Match, error] { return each(ctx, s.NextMatch) }

func (s *Session) readError(ctx context.Context, err error) error { return stoppedBy(ctx, "read", err) }

func stoppedBy(ctx context.Context, op string, err error) error {
	if err == errStopped {
		return fmt.Errorf("socketgateway: %s: %w", op, context.Cause(ctx))
	}
	return err
}

func chunkOf(data *pb.Data) []byte {
	if text, ok := data.GetPayload().(*pb.Data_Text); ok {
		return []byte(text.Text)
	}
	return data.GetBytes()
}

func matchOf(data *pb.Data) Match {
	switch payload := data.GetPayload().(type) {
	case *pb.Data_Match:
		return Match{
			Lines:    linesOf(payload.Match.GetLines()),
			Matched:  true,
			Line:     lineOf(payload.Match.GetMatch()),
			Captures: capturesOf(payload.Match.GetCaptures()),
		}
	case *pb.Data_Flushed:
		return Match{Lines: linesOf(payload.Flushed.GetLines()), Unfinished: payload.Flushed.GetLastUnfinished()}
	}
	return Match{Lines: []string{string(chunkOf(data))}}
}

// each makes an iterator of a method that gives the next one and io.EOF at the end.
func each[T any](ctx context.Context, next func(context.Context) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			item, err := next(ctx)
			if err == io.EOF {
				return
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}
