// Command echoclient sends what you type and prints what comes back, until either side ends.
//
//	go run ./echoclient -port 2323
//	echo hello | go run ./echoclient -port 2323
package main

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	host := flag.String("host", "127.0.0.1", "where to connect to, as the gateway sees it")
	port := flag.Int("port", 2323, "the port there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *address, *host, *port); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address, host string, port int) error {
	gateway, err := socketgateway.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer gateway.Close()
	session, err := gateway.Connect(ctx, host, port, socketgateway.LineMode())
	if err != nil {
		return err
	}
	defer session.Close()

	// Reading a terminal cannot be interrupted, so it is left behind when the peer ends first.
	typed := make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if err := session.SendLine(ctx, lines.Text()); err != nil {
				typed <- err
				return
			}
		}
		// No more is said. What the peer still answers is printed.
		typed <- session.Disconnect(ctx)
	}()
	for line, err := range session.Lines(ctx) {
		if err != nil {
			return err
		}
		fmt.Println(line)
	}
	select {
	case err := <-typed:
		return err
	default:
		return nil
	}
}
