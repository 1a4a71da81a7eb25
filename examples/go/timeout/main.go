// Command timeout shows what happens when nothing happens: an event tells that a dialled session was inactive, and the session stays
// open, until this program has had enough of it.
//
//	go run ./timeout -port 6379 -after 2s
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	host := flag.String("host", "127.0.0.1", "a peer that says nothing by itself, as the gateway sees it")
	port := flag.Int("port", 6379, "its port")
	after := flag.Duration("after", 2*time.Second, "after how much silence")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *address, *host, *port, *after); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address, host string, port int, after time.Duration) error {
	gateway, err := socketgateway.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer gateway.Close()
	session, err := gateway.Connect(ctx, host, port, socketgateway.InactivityTimeout(after))
	if err != nil {
		return err
	}
	defer session.Close()
	for event, err := range session.Events(ctx) {
		if err != nil {
			return err
		}
		fmt.Println(event.Kind)
		if event.Kind == socketgateway.Inactive {
			fmt.Println(event.Err.Message)
			if err := session.Disconnect(ctx); err != nil {
				return err
			}
		}
	}
	end, err := session.Closed(ctx)
	if err != nil {
		return err
	}
	fmt.Println("it ended:", end.Reason)
	return nil
}
