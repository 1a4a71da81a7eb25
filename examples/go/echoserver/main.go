// Command echoserver listens, greets who comes, sends each line back in upper case, and ends the connection on "bye".
//
//	go run ./echoserver             # port 2323
//	go run ./echoserver -port 4000  # another
//
// Talk to it with echoclient, telnet or nc.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	host := flag.String("host", "127.0.0.1", "the address of the gateway's machine to listen on")
	port := flag.Int("port", 2323, "the port to listen on; 0: a free one")
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
	// Half open, because a visitor may end its side right after its last line and still read the answer.
	listener, err := gateway.Listen(ctx, host, port, socketgateway.LineMode(), socketgateway.AllowHalfOpen(),
		socketgateway.WithLineEnding(socketgateway.CRLF))
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	for visitor, err := range listener.Sessions(ctx) {
		if err != nil {
			return err
		}
		go serve(ctx, visitor)
	}
	return nil
}

func serve(ctx context.Context, visitor *socketgateway.Session) {
	// What was sent before is still written.
	defer visitor.Close()
	fmt.Println(visitor.RemoteAddr(), "has come")
	if err := talk(ctx, visitor); err != nil {
		// A visitor may leave while it is being answered: that ends its session, not this program.
		fmt.Println(visitor.RemoteAddr(), err)
	}
	fmt.Println(visitor.RemoteAddr(), "has gone")
}

func talk(ctx context.Context, visitor *socketgateway.Session) error {
	if err := visitor.SendLine(ctx, "Hello. I say it louder; `bye` ends this."); err != nil {
		return err
	}
	for line, err := range visitor.Lines(ctx) {
		if err != nil {
			return err
		}
		if err := visitor.SendLine(ctx, strings.ToUpper(line)); err != nil {
			return err
		}
		if strings.TrimSpace(line) == "bye" {
			break
		}
	}
	return nil
}
