// Command scpi asks a measuring instrument: SCPI over a raw socket, as most instruments with a network port speak it (port 5025).
//
//	go run ./peers -scpi 5025 &
//	go run ./scpi -port 5025 '*IDN?' 'MEAS:VOLT:DC?'
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
	"time"

	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	host := flag.String("host", "127.0.0.1", "where the instrument is, as the gateway sees it")
	port := flag.Int("port", 5025, "its port")
	flag.Parse()
	commands := flag.Args()
	if len(commands) == 0 {
		commands = []string{"*IDN?"}
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
	// SCPI ends lines with LF, which is what line mode appends anyway.
	instrument, err := gateway.Connect(ctx, host, port, socketgateway.LineMode())
	if err != nil {
		return err
	}
	defer instrument.Close()
	for _, command := range commands {
		// Only what ends with a question mark is answered.
		if !strings.HasSuffix(command, "?") {
			if err := instrument.SendLine(ctx, command); err != nil {
				return err
			}
			continue
		}
		// An answer that comes too late is not taken for the next one: the gateway sees to that.
		answer, err := instrument.Exchange(ctx, command, socketgateway.Within(10*time.Second))
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		fmt.Println(answer.Text())
	}
	// The instrument keeps a queue of what it did not understand.
	errors, err := instrument.Exchange(ctx, "SYST:ERR?")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(errors.Text(), "0,") && !strings.HasPrefix(errors.Text(), "+0,") {
		return fmt.Errorf("the instrument says: %s", errors.Text())
	}
	return nil
}
