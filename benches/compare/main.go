// Compare holds the gateway beside konnectivity (apiserver-network-proxy), HAProxy and socat, and beside no relay at all: the
// same client code, the same peer, in one run, taking turns.
//
// scripts/compare builds and runs it, and pins everything to one core, so that a figure tells what the work costs altogether.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"time"
)

// way is one way from the client to the peer.
type way struct {
	name string
	// dial makes one connection to the peer.
	dial func(ctx context.Context) (net.Conn, error)
}

func main() {
	gateway := flag.String("gateway", "", "the gateway's binary")
	server := flag.String("konnectivity-server", "", "konnectivity's proxy server")
	agent := flag.String("konnectivity-agent", "", "konnectivity's proxy agent")
	rounds := flag.Int("rounds", 5, "how often each figure is taken")
	length := flag.Duration("length", time.Second, "how long each figure is taken")
	markdown := flag.String("markdown", "", "a page whose part between the comparison's markers is replaced by the table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, tools{*gateway, *server, *agent}, *rounds, *length, *markdown); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, paths tools, rounds int, length time.Duration, markdown string) error {
	peer, err := startPeer()
	if err != nil {
		return err
	}
	defer peer.Close()
	scratch, err := os.MkdirTemp("", "compare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	relays := &relays{scratch: scratch, peer: peer.Addr().String()}
	defer relays.stop()
	ways, err := relays.start(ctx, paths)
	if err != nil {
		return err
	}
	table, err := measureAll(ctx, ways, rounds, length)
	if err != nil {
		return err
	}
	text := table.markdown(rounds, length)
	fmt.Print(text)
	if markdown == "" {
		return nil
	}
	return replace(markdown, text)
}

// tools are the programs to compare.
type tools struct{ gateway, konnectivityServer, konnectivityAgent string }

func (t tools) check() error {
	if t.gateway == "" || t.konnectivityServer == "" || t.konnectivityAgent == "" {
		return errors.New("-gateway, -konnectivity-server and -konnectivity-agent are needed: run scripts/compare, which builds them")
	}
	return nil
}
