// Command bbs has a dialogue with a bulletin board that asks ENTER COMMAND whenever it is ready, without ending that line.
//
//	go run ./peers -board 2424 &
//	go run ./bbs -port 2424 LIST "READ 2" QUIT
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	socketgateway "socketgateway.dev"
)

// The pattern is tested on the unfinished line as well: a prompt has no line end.
const prompt = `^ENTER COMMAND`

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	host := flag.String("host", "127.0.0.1", "where the board is, as the gateway sees it")
	port := flag.Int("port", 2424, "its port")
	flag.Parse()
	commands := flag.Args()
	if len(commands) == 0 {
		commands = []string{"LIST", "READ 2", "QUIT"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *address, *host, *port, commands); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address, host string, port int, commands []string) error {
	gateway, err := socketgateway.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer gateway.Close()
	board, err := gateway.Connect(ctx, host, port, socketgateway.LineMode(),
		socketgateway.WaitFor(prompt), socketgateway.WithLineEnding(socketgateway.CR))
	if err != nil {
		return err
	}
	defer board.Close()

	// The first prompt comes unasked: it is read. From then on each command and its answer are one exchange.
	greeting, err := board.NextMatch(ctx)
	if err != nil {
		return err
	}
	show(greeting.Lines)
	for _, command := range commands {
		fmt.Println(">", command)
		answer, err := board.Exchange(ctx, command, socketgateway.WaitFor(prompt))
		if err != nil {
			return err
		}
		show(answer.Lines)
		if answer.End == socketgateway.ByPeerClosed {
			fmt.Println("the board has hung up")
			break
		}
	}
	return nil
}

func show(lines []string) {
	for _, line := range lines {
		fmt.Println(line)
	}
}
