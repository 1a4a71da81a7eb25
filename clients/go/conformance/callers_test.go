package conformance_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"google.golang.org/grpc/codes"
	sg "socketgateway.dev"
	"socketgateway.dev/internal/gatewaytest"
)

// known starts a gateway that knows its callers, with more in its configuration file.
func (s *scenario) known(config string) *gatewaytest.Gateway {
	s.Helper()
	file := filepath.Join(s.TempDir(), "gateway.toml")
	s.must(os.WriteFile(file, []byte("[policy]\nprofile = \"dev\"\n"+config), 0o600))
	return gatewaytest.StartWith(s.T, "serve", "--log-format", "json", "--listen", "127.0.0.1:0", "--config", file)
}

// annAndBen may call with a token.
func annAndBen() string {
	config := ""
	for _, name := range []string{"ann", "ben"} {
		config += fmt.Sprintf("[[identity.tokens]]\nname = %q\nsha256 = %q\n", name, hash([]byte("conformance-"+name)))
	}
	return config
}

// echoes asserts that a gateway object works.
func (s *scenario) echoes(g *sg.Gateway) *sg.Session {
	s.Helper()
	session := s.connect(g, "echo", sg.LineMode())
	s.must(session.SendLine(s.ctx, "hello"))
	is(s, "the echo", s.line(session), "hello")
	return session
}

func token(s *scenario) {
	g := s.dial(s.known(annAndBen()).Address, sg.WithToken("conformance-ann"))
	session := s.echoes(g)
	is(s, "the session's id", s.look(g, session.ID()).GetSessionId(), session.ID())
	s.disconnected(session)
}

func wrongToken(s *scenario) {
	address := s.known(annAndBen()).Address
	_, err := sg.Dial(s.ctx, address)
	s.fails(err, sg.ErrUnauthenticated, codes.Unauthenticated)
	_, err = sg.Dial(s.ctx, address, sg.WithToken("wrong"))
	s.fails(err, sg.ErrUnauthenticated, codes.Unauthenticated)
}

func namespaces(s *scenario) {
	address := s.known(annAndBen()).Address
	objects := map[string]*sg.Gateway{}
	sessions := map[string]*sg.Session{}
	for _, name := range []string{"ann", "ben"} {
		objects[name] = s.dial(address, sg.WithToken("conformance-"+name), sg.WithSubscriber("the same"))
		sessions[name] = s.connect(objects[name], "answers", sg.LineMode(), sg.SessionID("shared"))
	}
	for name, session := range sessions {
		s.must(session.SendLine(s.ctx, "I am "+name))
	}
	for name, session := range sessions {
		is(s, "the answer", s.line(session), "re: I am "+name)
	}
	other := s.connect(objects["ann"], "answers")
	_, err := objects["ben"].Session(s.ctx, other.ID())
	s.fails(err, sg.ErrSessionNotFound, codes.NotFound)
	for _, session := range sessions {
		s.disconnected(session)
	}
}

// certificates makes those of the suite.
func (s *scenario) certificates() string {
	s.Helper()
	folder := s.TempDir()
	made := exec.CommandContext(s.ctx, filepath.Join(gatewaytest.Checkout(), "tests", "conformance", "certificates"), folder)
	if said, err := made.CombinedOutput(); err != nil {
		s.Fatalf("%v: %s", err, said)
	}
	return folder
}

func (s *scenario) tls(folder, authority, own string) *tls.Config {
	s.Helper()
	certificate, key := "", ""
	if own != "" {
		certificate, key = filepath.Join(folder, own+".pem"), filepath.Join(folder, own+".key")
	}
	return get(sg.LoadTLS(filepath.Join(folder, authority+".pem"), certificate, key))(s)
}

// unavailable asserts that the gateway cannot be reached this way.
func (s *scenario) unavailable(address string, options ...sg.DialOption) {
	s.Helper()
	gateway, err := sg.Dial(s.ctx, address, options...)
	if err == nil {
		_ = gateway.Close()
	}
	var failed *sg.Error
	if !errors.As(err, &failed) || failed.Code != codes.Unavailable {
		s.Fatalf("%v", err)
	}
}

func overTLS(s *scenario) {
	folder := s.certificates()
	config := fmt.Sprintf("[tls]\ncertificate = %q\nkey = %q\n", filepath.Join(folder, "server.pem"), filepath.Join(folder, "server.key"))
	address := s.known(annAndBen() + config).Address
	ann := sg.WithToken("conformance-ann")
	s.disconnected(s.echoes(s.dial(address, ann, sg.WithTLS(s.tls(folder, "ca", "")))))
	s.unavailable(address, ann, sg.WithTLS(s.tls(folder, "other-ca", "")))
	s.unavailable(address, ann)
}

func clientCertificate(s *scenario) {
	folder := s.certificates()
	config := "[[identity.certificates]]\ndns = \"conformance-client\"\nname = \"ann\"\n" + fmt.Sprintf(
		"[tls]\ncertificate = %q\nkey = %q\nclient_ca = %q\nclient_auth = \"required\"\n",
		filepath.Join(folder, "server.pem"), filepath.Join(folder, "server.key"), filepath.Join(folder, "ca.pem"))
	address := s.known(config).Address
	s.disconnected(s.echoes(s.dial(address, sg.WithTLS(s.tls(folder, "ca", "client")))))
	s.unavailable(address, sg.WithTLS(s.tls(folder, "ca", "")))
}
