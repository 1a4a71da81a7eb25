// Package examples_test runs every example as a program, against the real gateway and real or played peers.
package examples_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/syslog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"socketgateway.dev/examples/internal/peers"
	"socketgateway.dev/internal/gatewaytest"
)

var (
	programs string
	gateway  *gatewaytest.Gateway
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "examples-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		programs = folder
		if out, err := exec.Command("go", "build", "-o", programs, "./...").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		gateway, err = gatewaytest.Launch("serve", "--log-format", "json", "--listen", "127.0.0.1:0")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer gateway.Kill()
		return m.Run()
	}())
}

func command(t *testing.T, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), gatewaytest.Patience)
	t.Cleanup(cancel)
	program := exec.CommandContext(ctx, filepath.Join(programs, name), args...)
	program.Env = append(os.Environ(), "GATEWAY="+gateway.Address)
	return program
}

// output runs a program to its end.
func output(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	program := command(t, name, args...)
	program.Stdin = strings.NewReader(stdin)
	var said strings.Builder
	program.Stderr = &said
	printed, err := program.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, printed, said.String())
	}
	return string(printed)
}

func expect(t *testing.T, printed, want string) {
	t.Helper()
	if printed != want {
		t.Errorf("it printed\n%s\nand not\n%s", printed, want)
	}
}

// running is a program that goes on until the test ends.
type running struct {
	t     *testing.T
	lines chan string
}

func start(t *testing.T, name string, args ...string) *running {
	t.Helper()
	program := command(t, name, args...)
	program.Stderr = os.Stderr
	stdout, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	r := &running{t, make(chan string, 100)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(r.lines)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			r.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		// As Ctrl-C: it closes what it has opened and ends well.
		if err := program.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		<-read
		if err := program.Wait(); err != nil {
			t.Errorf("%s ends with %v", name, err)
		}
	})
	return r
}

// line waits for a line that matches, and gives what its group matched.
func (r *running) line(pattern string) string {
	r.t.Helper()
	looked := regexp.MustCompile(pattern)
	for patience := time.After(gatewaytest.Patience); ; {
		select {
		case line, more := <-r.lines:
			if !more {
				r.t.Fatalf("it ended without a line that matches %s", pattern)
			}
			if found := looked.FindStringSubmatch(line); found != nil {
				return found[len(found)-1]
			}
		case <-patience:
			r.t.Fatalf("no line came that matches %s", pattern)
		}
	}
}

// play makes a device of this machine; it gives its port.
func play(t *testing.T, device func(io.ReadWriter)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go peers.Serve(listener, device)
	t.Cleanup(func() { _ = listener.Close() })
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func TestTheEchoClientTalksToTheEchoServer(t *testing.T) {
	server := start(t, "echoserver", "-port", "0")
	port := server.line(`listening on 127\.0\.0\.1:(\d+)`)
	printed := output(t, "hello\nbye\n", "echoclient", "-port", port)
	expect(t, printed, "Hello. I say it louder; `bye` ends this.\nHELLO\nBYE\n")
	server.line(`has gone`)
}

func TestTheBoardIsAskedFromPromptToPrompt(t *testing.T) {
	printed := output(t, "", "bbs", "-port", play(t, peers.Board))
	expect(t, printed, `WELCOME TO THE SMALL BOARD
2 messages are new
> LIST
1  ann  Modem for sale
2  bob  Meeting on Friday
> READ 2
From bob: At eight, as always.
Bring cables.
> QUIT
GOODBYE
the board has hung up
`)
}

func TestARequestGetsItsAnswer(t *testing.T) {
	port := redisServer(t)
	expect(t, output(t, "", "exchange", "-port", port, "PING"), "+PONG\n")
	printed := output(t, "", "exchange", "-port", port, "-wait-for", `^redis_mode:`, "INFO", "server")
	if !strings.Contains(printed, "redis_version:") || !strings.HasSuffix(printed, "redis_mode:standalone\n") {
		t.Error(printed)
	}
	silent := play(t, func(peer io.ReadWriter) { _, _ = io.Copy(io.Discard, peer) })
	late := command(t, "exchange", "-port", silent, "-timeout", "200ms", "anybody?")
	if said, err := late.CombinedOutput(); err == nil || !strings.Contains(string(said), "no answer within 200ms") {
		t.Errorf("%v: %s", err, said)
	}
}

func TestSilenceIsTold(t *testing.T) {
	silent := play(t, func(peer io.ReadWriter) { _, _ = io.Copy(io.Discard, peer) })
	printed := output(t, "", "timeout", "-port", silent, "-after", "300ms")
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	if len(lines) != 7 || strings.Join(append(lines[:3:3], lines[4:]...), " ") !=
		"CONNECTING CONNECTED TIMEOUT DISCONNECTING DISCONNECTED it ended: BY_REQUEST" {
		t.Error(printed)
	}
}

func TestAGroupsMemberGetsWhatIsSentToIt(t *testing.T) {
	member := start(t, "multicast", "-interface", "127.0.0.1", "-port", "0", "receive")
	port := member.line(`listening on 0\.0\.0\.0:(\d+) groups \[239\.255\.42\.99\]`)
	printed := output(t, "", "multicast", "-interface", "127.0.0.1", "-port", port, "send", "hello")
	expect(t, printed, fmt.Sprintf("5 bytes sent to 239.255.42.99:%s\n", port))
	member.line(`: hello$`)
}

func TestAnInstrumentIsAsked(t *testing.T) {
	port := play(t, peers.Instrument)
	printed := output(t, "", "scpi", "-port", port, "*IDN?", "MEAS:VOLT:DC?", "*RST", "MEAS:VOLT:DC?")
	expect(t, printed, "ACME,DMM-7,4711,1.0\n+1.2345E+00\n+0.0000E+00\n")
	wrong := command(t, "scpi", "-port", port, "NONSENSE")
	if said, err := wrong.CombinedOutput(); err == nil || !strings.Contains(string(said), "Undefined header") {
		t.Errorf("%v: %s", err, said)
	}
}

func TestRegistersAreRead(t *testing.T) {
	port := play(t, peers.Modbus)
	printed := output(t, "", "modbus", "-port", port, "-from", "100", "-count", "3")
	expect(t, printed, "100: 1000\n101: 1010\n102: 1020\n")
	beyond := command(t, "modbus", "-port", port, "-from", "999", "-count", "2")
	if said, err := beyond.CombinedOutput(); err == nil || !strings.Contains(string(said), "exception 2") {
		t.Errorf("%v: %s", err, said)
	}
}

func TestTrackersReportTheirPositions(t *testing.T) {
	server := start(t, "gpstracker", "-port", "0", "-silence", "500ms")
	port := server.line(`listening on 127\.0\.0\.1:(\d+)`)
	tracker, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	defer tracker.Close()
	for _, sentence := range []string{
		"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n",
		"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n",
		"$GPRMC,225446,A,4916.45,N,12311.12,W,000.5,054.7,191194,020.3,E*68\r\n",
		"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*00\r\n",
	} {
		// In pieces, as a modem sends it.
		for _, piece := range []string{sentence[:20], sentence[20:]} {
			if _, err := io.WriteString(tracker, piece); err != nil {
				t.Fatal(err)
			}
		}
	}
	server.line(` 48\.11730 11\.51667$`)
	server.line(` 49\.27417 -123\.18533$`)
	server.line(`the checksum is wrong`)
	// It says nothing more, and is hung up on.
	server.line(`TIMEOUT`)
	if _, err := io.ReadAll(tracker); err != nil {
		t.Errorf("the tracker's connection ends with %v", err)
	}
}

func TestLogsAreCollectedFromDatagramsAndConnections(t *testing.T) {
	collector := start(t, "syslog", "-port", "0")
	addresses := map[string]string{}
	for _, network := range []string{"udp", "tcp"} {
		addresses[network] = collector.line(network + ` on (127\.0\.0\.1:\d+)`)
	}
	for network, address := range addresses {
		// Go's own syslog client is the other end.
		writer, err := syslog.Dial(network, address, syslog.LOG_LOCAL3|syslog.LOG_WARNING, "pump")
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Close()
		if err := writer.Err("pressure lost by " + network); err != nil {
			t.Fatal(err)
		}
		collector.line(`^127\.0\.0\.1 local3\.err .*pump\[\d+\]: pressure lost by ` + network)
	}
}

func TestAMailGoesThroughTheGatewayIntoTheServersQueue(t *testing.T) {
	spool, port := mailServer(t)
	printed := output(t, "Through a gateway.\n.\nA line with a dot alone.\n", "smtp", "-port", port,
		"-from", "gateway@gateway.test", "-to", "reader@mail.test", "-subject", "hello")
	expect(t, printed, "the mail server has it\n")
	queued, err := filepath.Glob(filepath.Join(spool, "input", "*-D"))
	if err != nil || len(queued) != 1 {
		t.Fatalf("%v, %v in the queue", err, queued)
	}
	body, err := os.ReadFile(queued[0])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(body), "\nThrough a gateway.\n.\nA line with a dot alone.\n") {
		t.Errorf("%q", body)
	}
}

func TestARedisClientRunsOverTheGateway(t *testing.T) {
	port := redisServer(t)
	for run := range 3 {
		printed := output(t, "", "redis", "-redis", net.JoinHostPort("127.0.0.1", port))
		expect(t, printed, fmt.Sprintf("run %d with %d lines in the log\n", run+1, run+1))
	}
}

// server starts a real server on a free port; command gives its command line for a port and a folder. It tries again where another program has taken
// the port meanwhile.
func server(t *testing.T, command func(port, folder string) *exec.Cmd) (folder, port string) {
	t.Helper()
	for range 5 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port = strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
		_ = listener.Close()
		folder = t.TempDir()
		program := command(port, folder)
		if err := program.Start(); err != nil {
			t.Fatalf("%v: scripts/install-test-tools installs it", err)
		}
		ended := waitFor(program)
		t.Cleanup(func() {
			_ = program.Process.Kill()
			<-ended
		})
		for end := time.Now().Add(gatewaytest.Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
				_ = conn.Close()
				return folder, port
			}
			select {
			case <-ended:
				end = time.Time{}
			default:
			}
		}
	}
	t.Fatal("the server does not start")
	return "", ""
}

func waitFor(program *exec.Cmd) chan struct{} {
	ended := make(chan struct{})
	go func() {
		_ = program.Wait()
		close(ended)
	}()
	return ended
}

func redisServer(t *testing.T) string {
	t.Helper()
	_, port := server(t, func(port, folder string) *exec.Cmd {
		return exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no")
	})
	return port
}

// mailServer starts exim4, which takes any mail and keeps it in its queue.
func mailServer(t *testing.T) (spool, port string) {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	folder, port := server(t, func(port, folder string) *exec.Cmd {
		settings := fmt.Sprintf(`spool_directory = %[1]s/spool
log_file_path = %[1]s/spool/log/%%slog
pid_file_path = %[1]s/pid
primary_hostname = mail.test
keep_environment =
host_lookup =
tls_advertise_hosts =
notifier_socket =
daemon_smtp_ports = %[2]s
local_interfaces = 127.0.0.1
queue_only
acl_smtp_rcpt = accept
exim_user = %[3]s
exim_group = %[4]s
admin_groups = %[4]s
`, folder, port, me.Username, group.Name)
		file := filepath.Join(folder, "conf")
		if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		exim := exec.Command("exim4", "-C", file, "-bdf")
		// On Debian it is where only root looks.
		if exim.Err != nil {
			exim = exec.Command("/usr/sbin/exim4", "-C", file, "-bdf")
		}
		return exim
	})
	return filepath.Join(folder, "spool"), port
}
