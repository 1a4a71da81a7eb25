package conformance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	socketgateway "socketgateway.dev"
	pb "socketgateway.dev/gen/tcpip/v1"
	"socketgateway.dev/internal/gatewaytest"
)

// world is what all scenarios share.
type world struct {
	far     *farEnd
	gateway *gatewaytest.Gateway
}

// scenario is one run of one.
type scenario struct {
	*testing.T
	*world
	ctx    context.Context
	reason string
}

// Fatalf fails the scenario and keeps why, for the results.
func (s *scenario) Fatalf(format string, args ...any) {
	s.Helper()
	s.reason = fmt.Sprintf(format, args...)
	s.T.Fatalf(format, args...)
}

func (s *scenario) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v", err)
	}
}

// is fails the scenario unless both are equal.
func is[T comparable](s *scenario, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Fatalf("%s: %v, not %v", what, got, want)
	}
}

// get gives a value whose error must not be: get(f())(s).
func get[T any](value T, err error) func(*scenario) T {
	return func(s *scenario) T {
		s.Helper()
		s.must(err)
		return value
	}
}

// eventually waits until something is true.
func (s *scenario) eventually(what string, is func() bool) {
	s.Helper()
	for end := time.Now().Add(gatewaytest.Patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("it never happened that %s", what)
		}
	}
}

// fails asserts the typed error, its code and the metadata it must have.
func (s *scenario) fails(err error, reason socketgateway.Reason, code codes.Code, metadata ...string) *socketgateway.Error {
	s.Helper()
	var failed *socketgateway.Error
	switch {
	case !errors.As(err, &failed) || !errors.Is(err, reason):
		s.Fatalf("%v, not %s", err, string(reason))
	case failed.Code != code:
		s.Fatalf("%v: %s, not %s", err, failed.Code, code)
	case failed.Message == "":
		s.Fatalf("%v: no text", err)
	}
	for _, key := range metadata {
		if failed.Metadata[key] == "" {
			s.Fatalf("%v: no %s in %v", err, key, failed.Metadata)
		}
	}
	return failed
}

func (s *scenario) violates(failed *socketgateway.Error, fields ...string) {
	s.Helper()
	var found []string
	for _, violation := range failed.Violations {
		found = append(found, violation.Field)
	}
	is(s, "the bad fields", strings.Join(found, " "), strings.Join(fields, " "))
}

// dial gives a gateway object with a subscriber of its own; it is closed at the end.
func (s *scenario) dial(address string, options ...socketgateway.DialOption) *socketgateway.Gateway {
	s.Helper()
	gateway := get(socketgateway.Dial(s.ctx, address, options...))(s)
	s.Cleanup(func() { _ = gateway.Close() })
	return gateway
}

func (s *scenario) open() *socketgateway.Gateway { s.Helper(); return s.dial(s.gateway.Address) }

// own starts a gateway for this scenario alone.
func (s *scenario) own(settings ...string) *gatewaytest.Gateway {
	s.Helper()
	return gatewaytest.Start(s.T, settings...)
}

func (s *scenario) connect(g *socketgateway.Gateway, peer string, options ...socketgateway.ConnectOption) *socketgateway.Session {
	s.Helper()
	return get(g.Connect(s.ctx, s.far.host, s.far.port(peer), options...))(s)
}

func (s *scenario) line(session *socketgateway.Session) string {
	s.Helper()
	return get(session.NextLine(s.ctx))(s)
}

// ends waits for a session's end.
func (s *scenario) ends(session *socketgateway.Session, reason socketgateway.CloseReason) socketgateway.End {
	s.Helper()
	end := get(session.Closed(s.ctx))(s)
	is(s, "the reason of the end", end.Reason, reason)
	return end
}

// disconnected closes a session and waits for its end.
func (s *scenario) disconnected(session *socketgateway.Session) socketgateway.End {
	s.Helper()
	s.must(session.Disconnect(s.ctx))
	return s.ends(session, socketgateway.ByRequest)
}

// event waits for an event of this kind.
func (s *scenario) event(session *socketgateway.Session, kind socketgateway.EventKind) socketgateway.Event {
	s.Helper()
	for {
		event, err := session.NextEvent(s.ctx)
		if err != nil {
			s.Fatalf("no event %s: %v", kind, err)
		}
		if event.Kind == kind {
			return event
		}
	}
}

// readAll reads a binary session until so many bytes have come, or to its end where size is negative.
func (s *scenario) readAll(session *socketgateway.Session, size int) []byte {
	s.Helper()
	var all []byte
	for size < 0 || len(all) < size {
		chunk, err := session.NextChunk(s.ctx)
		if err == io.EOF && size < 0 {
			break
		}
		s.must(err)
		all = append(all, chunk...)
	}
	return all
}

// stubs are the generated ones, where a scenario asks for them.
func stubs(g *socketgateway.Gateway) (pb.SocketGatewayServiceClient, pb.SessionServiceClient) {
	return pb.NewSocketGatewayServiceClient(g.Channel()), pb.NewSessionServiceClient(g.Channel())
}

// look shows a session; nil where there is none.
func (s *scenario) look(g *socketgateway.Gateway, id string) *pb.Session {
	_, admin := stubs(g)
	answer, err := admin.GetSession(s.ctx, &pb.GetSessionRequest{SessionId: id})
	if err != nil {
		return nil
	}
	return answer.GetSession()
}

// subscriber shows a subscriber; nil where there is none.
func (s *scenario) subscriber(g *socketgateway.Gateway, name string) *pb.Subscriber {
	s.Helper()
	_, admin := stubs(g)
	request := &pb.ListSubscribersRequest{PageSize: 1000}
	for {
		page := get(admin.ListSubscribers(s.ctx, request))(s)
		for _, subscriber := range page.GetSubscribers() {
			if subscriber.GetName() == name {
				return subscriber
			}
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			return nil
		}
	}
}

func portOf(addr net.Addr) int { return addr.(*net.TCPAddr).Port }

func pattern(size int) []byte {
	all := make([]byte, size)
	for i := range all {
		all[i] = byte(i % 251)
	}
	return all
}

// farEnd is the program with the peers.
type farEnd struct {
	host  string
	ports map[string]int

	mu      sync.Mutex
	control net.Conn
	answers *bufio.Reader
}

func startFarEnd(t *testing.T) *farEnd {
	program := exec.Command("python3", filepath.Join(gatewaytest.Checkout(), "tests", "conformance", "farend.py"))
	program.Stderr = os.Stderr
	stdin, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = program.Wait()
	})
	var told map[string]any
	if err := json.NewDecoder(stdout).Decode(&told); err != nil {
		t.Fatal(err)
	}
	far := &farEnd{ports: map[string]int{}}
	far.collect(told)
	far.control, err = net.Dial("tcp", net.JoinHostPort(far.host, fmt.Sprint(far.ports["control"])))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.control.Close() })
	far.answers = bufio.NewReader(far.control)
	return far
}

func (f *farEnd) collect(told map[string]any) {
	for name, value := range told {
		switch value := value.(type) {
		case string:
			f.host = value
		case float64:
			f.ports[name] = int(value)
		case map[string]any:
			f.collect(value)
		}
	}
}

func (f *farEnd) port(name string) int {
	port, known := f.ports[name]
	if !known {
		panic("the far end has no " + name)
	}
	return port
}

// conversation is what the far end tells about one connection.
type conversation struct {
	Received, Sent        int
	SHA256, Outcome       string
	Relay, Port, Accepted int
	Open                  int
	Error                 string
}

func (s *scenario) order(order map[string]any) conversation {
	s.Helper()
	s.far.mu.Lock()
	defer s.far.mu.Unlock()
	asked := get(json.Marshal(order))(s)
	s.must(s.far.control.SetDeadline(time.Now().Add(2 * gatewaytest.Patience)))
	_, err := s.far.control.Write(append(asked, '\n'))
	s.must(err)
	line := get(s.far.answers.ReadBytes('\n'))(s)
	var answer conversation
	s.must(json.Unmarshal(line, &answer))
	if answer.Error != "" {
		s.Fatalf("the far end, asked %s: %s", asked, answer.Error)
	}
	return answer
}

func (s *scenario) lookFar(session *socketgateway.Session) conversation {
	s.Helper()
	return s.order(map[string]any{"cmd": "look", "port": portOf(session.LocalAddr())})
}

func (s *scenario) waitFar(session *socketgateway.Session) conversation {
	s.Helper()
	return s.waitPort(portOf(session.LocalAddr()))
}

func (s *scenario) waitPort(port int) conversation {
	s.Helper()
	return s.order(map[string]any{"cmd": "wait", "port": port, "timeout": 30})
}

func (s *scenario) say(session *socketgateway.Session, text string) {
	s.Helper()
	s.order(map[string]any{"cmd": "say", "port": portOf(session.LocalAddr()), "text": text})
}

// relay is one of the far end's.
type relay struct {
	s       *scenario
	id      int
	address string
}

func (s *scenario) relay(address string) *relay {
	s.Helper()
	_, port, err := net.SplitHostPort(address)
	s.must(err)
	made := s.order(map[string]any{"cmd": "relay", "port": json.Number(port)})
	return &relay{s, made.Relay, net.JoinHostPort(s.far.host, fmt.Sprint(made.Port))}
}

func (r *relay) do(cmd string) conversation {
	r.s.Helper()
	return r.s.order(map[string]any{"cmd": cmd, "relay": r.id})
}

func (r *relay) target(address string) {
	r.s.Helper()
	_, port, err := net.SplitHostPort(address)
	r.s.must(err)
	r.s.order(map[string]any{"cmd": "target", "relay": r.id, "port": json.Number(port)})
}

// outcome is one line of the results.
type outcome struct {
	Result  string  `json:"result"`
	Seconds float64 `json:"seconds"`
	Reason  string  `json:"reason,omitempty"`
}

func TestConformance(t *testing.T) {
	results := map[string]outcome{}
	t.Cleanup(func() { writeResults(t, results) })
	shared := &world{far: startFarEnd(t), gateway: gatewaytest.Start(t)}
	for _, item := range scenarios {
		began := time.Now()
		s := &scenario{world: shared}
		passed := t.Run(item.id, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, before) })
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
			t.Cleanup(cancel)
			s.T, s.ctx = t, ctx
			item.run(s)
		})
		result := outcome{Result: "passed", Seconds: time.Since(began).Round(10 * time.Millisecond).Seconds()}
		if !passed {
			result.Result, result.Reason = "failed", s.reason
			if s.reason == "" {
				result.Reason = "see the test's output"
			}
		}
		results[item.id] = result
	}
}

func writeResults(t *testing.T, results map[string]outcome) {
	folder := filepath.Join(gatewaytest.Checkout(), "target", "conformance")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(map[string]any{
		"language":  "go",
		"client":    socketgateway.Version,
		"runtime":   runtime.Version(),
		"scenarios": results,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "go.json"), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// named is a scenario and its id.
type named struct {
	id  string
	run func(*scenario)
}
