package socketgateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"socketgateway.dev/internal/gatewaytest"
)

// Around a piece of code on the page that is no program by itself: what it may use, as the page says.
const frame = `package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	socketgateway "socketgateway.dev"
)

var _ = []any{errors.Is, fmt.Println, io.ReadAll, http.Get, os.Getenv, strings.ToUpper, syscall.ECONNREFUSED, time.Second}

func main() {
	ctx := context.Background()
	gateway, err := socketgateway.Dial(ctx, "127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer gateway.Close()
	run(ctx, gateway)
}

func run(ctx context.Context, gateway *socketgateway.Gateway) {
%s}
`

// It runs each piece of Go on the page against the real gateway and compares what it prints with what the page says.
func TestTheReadmesProgramsPrintWhatItSays(t *testing.T) {
	process := gatewaytest.Start(t)
	free := freePort(t)
	ports := strings.NewReplacer(
		"127.0.0.1:50051", process.Address,
		"5025", itoa(portOnly(peer(t, instrument))),
		"2424", itoa(portOnly(peer(t, board))),
		"2323", itoa(free),
		"4242", itoa(freePort(t)),
		"8080", itoa(webServer(t)),
		"7777", itoa(freePort(t)),
	)
	for number, block := range readme(t) {
		if block.output == "" {
			continue
		}
		t.Run(fmt.Sprint(number+1), func(t *testing.T) {
			code := block.code
			if !strings.HasPrefix(code, "package main") {
				code = fmt.Sprintf(frame, code)
			}
			if strings.Contains(block.code, ", 2323") {
				visit(t, free)
			}
			printed := runProgram(t, ports.Replace(code))
			if want := ports.Replace(block.output); printed != want {
				t.Errorf("it printed\n%s\nand not\n%s", printed, want)
			}
		})
	}
}

// TestTheReadmesOtherCodeCompiles looks at what cannot run without certificates.
func TestTheReadmesOtherCodeCompiles(t *testing.T) {
	for number, block := range readme(t) {
		if block.output != "" {
			continue
		}
		t.Run(fmt.Sprint(number+1), func(t *testing.T) {
			code := fmt.Sprintf(frame, "{\n"+block.code+"\n_, _ = gateway, err\n}\n")
			folder := program(t, code)
			if out, err := exec.Command("go", "vet", folder).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

type block struct{ code, output string }

// readme gives the Go of the page, each with the text that follows it.
func readme(t *testing.T) []block {
	page := string(ok(os.ReadFile("README.md"))(t))
	var blocks []block
	for _, part := range strings.Split(page, "```go\n")[1:] {
		code, rest, closed := strings.Cut(part, "```\n")
		if !closed {
			t.Fatal("a block of Go without end")
		}
		found := block{code: code}
		if after, is := strings.CutPrefix(rest, "\n```text\n"); is {
			found.output, _, _ = strings.Cut(after, "```")
		}
		blocks = append(blocks, found)
	}
	if len(blocks) < 8 {
		t.Fatalf("only %d blocks of Go on the page", len(blocks))
	}
	return blocks
}

func program(t *testing.T, code string) string {
	// Inside of the module, so that the client is found.
	folder := ok(os.MkdirTemp(".", "readme-"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	must(t, os.WriteFile(filepath.Join(folder, "main.go"), []byte(code), 0o600))
	return "./" + folder
}

func runProgram(t *testing.T, code string) string {
	run := exec.CommandContext(within(t), "go", "run", program(t, code))
	var said strings.Builder
	run.Stderr = &said
	printed, err := run.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, printed, said.String())
	}
	return string(printed)
}

func portOnly(_ string, port int) int { return port }

func freePort(t *testing.T) int {
	listener := ok(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// instrument answers two questions.
func instrument(conn *net.TCPConn) {
	for questions := bufio.NewScanner(conn); questions.Scan(); {
		switch questions.Text() {
		case "*IDN?":
			_, _ = io.WriteString(conn, "ACME,DMM-7,4711,1.0\n")
		case "MEAS:VOLT?":
			_, _ = io.WriteString(conn, "+1.2345E+00\n")
		}
	}
}

// board is a bulletin board with prompts that have no line end.
func board(conn *net.TCPConn) {
	commands := bufio.NewReader(conn)
	_, _ = io.WriteString(conn, "WELCOME TO THE SMALL BOARD\r\n")
	for {
		_, _ = io.WriteString(conn, "ENTER COMMAND: ")
		switch command, err := commands.ReadString('\r'); {
		case err != nil:
			return
		case command == "LIST\r":
			_, _ = io.WriteString(conn, "1  ann  Modem for sale\r\n2  bob  Meeting on Friday\r\n")
		case command == "QUIT\r":
			_, _ = io.WriteString(conn, "GOODBYE\r\n")
			return
		}
	}
}

func webServer(t *testing.T) int {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "it works")
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port
}

// visit goes to a port once somebody listens there, and says hello.
func visit(t *testing.T, port int) {
	ctx := within(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", itoa(port)))
			if err != nil {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "hello\n")
			_, _ = bufio.NewReader(conn).ReadString('\n')
			return
		}
	}()
	t.Cleanup(func() { <-done })
}
