// Command exchange sends one request and prints its answer: the next line, or everything up to a pattern.
//
//	go run ./exchange -port 6379 PING
//	go run ./exchange -port 6379 -wait-for '^# Memory' INFO
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	host := flag.String("host", "127.0.0.1", "where to connect to, as the gateway sees it")
	port := flag.Int("port", 6379, "the port there")
	waitFor := flag.String("wait-for", "", "the pattern that ends the answer; empty: one line")
	timeout := flag.Duration("timeout", 5*time.Second, "how long the answer may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *address, *host, *port, strings.Join(flag.Args(), " "), *waitFor, *timeout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address, host string, port int, request, waitFor string, timeout time.Duration) error {
	gateway, err := socketgateway.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer gateway.Close()
	session, err := gateway.Connect(ctx, host, port, socketgateway.LineMode(), socketgateway.WithLineEnding(socketgateway.CRLF))
	if err != nil {
		return err
	}
	defer session.Close()
	answer, err := session.Exchange(ctx, request, socketgateway.WaitFor(waitFor), socketgateway.Within(timeout))
	if errors.Is(err, socketgateway.ErrTimeout) {
		return fmt.Errorf("no answer within %v", timeout)
	}
	if err != nil {
		return err
	}
	fmt.Println(answer.Text())
	return nil
}
