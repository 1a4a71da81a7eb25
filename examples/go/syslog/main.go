// Command syslog collects what other machines log: RFC 3164 and RFC 5424 messages, one a datagram, or one a line over TCP.
//
//	go run ./syslog -port 5514
//	logger --server 127.0.0.1 --port 5514 --udp hello
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"

	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	host := flag.String("host", "127.0.0.1", "the address of the gateway's machine to listen on; empty: all")
	port := flag.Int("port", 5514, "the port, of UDP and TCP; 0: free ones")
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
	datagrams, err := gateway.UDPIn(ctx, host, port)
	if err != nil {
		return err
	}
	fmt.Println("udp on", datagrams.LocalAddr())
	listener, err := gateway.Listen(ctx, host, port, socketgateway.LineMode())
	if err != nil {
		return err
	}
	fmt.Println("tcp on", listener.Addr())

	var collectors sync.WaitGroup
	defer collectors.Wait()
	collectors.Go(func() {
		for datagram, err := range datagrams.Datagrams(ctx) {
			if err != nil {
				return
			}
			if datagram.Missed > 0 {
				fmt.Println(datagram.Missed, "datagrams were dropped here")
			}
			show(datagram.From.Addr().String(), string(datagram.Payload))
		}
	})
	for session, err := range listener.Sessions(ctx) {
		if err != nil {
			return err
		}
		collectors.Go(func() {
			defer session.Close()
			from, _, _ := net.SplitHostPort(session.RemoteAddr().String())
			for line, err := range session.Lines(ctx) {
				if err != nil {
					return
				}
				show(from, line)
			}
		})
	}
	return nil
}

var facilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit",
	"alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}

var severities = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// show prints one message; fmt.Println writes each line at once, so those of several senders do not mix.
func show(from, message string) {
	fmt.Println(from, label(message))
}

// label puts words in place of the number that a message begins with: eight times the facility, plus the severity.
func label(message string) string {
	message = strings.TrimRight(message, "\r\n\x00")
	rest, ok := strings.CutPrefix(message, "<")
	number, text, closed := strings.Cut(rest, ">")
	priority, err := strconv.Atoi(number)
	if !ok || !closed || err != nil || priority < 0 || priority >= 8*len(facilities) {
		// RFC 3164 has messages without it be user.notice.
		return "user.notice " + message
	}
	return facilities[priority/8] + "." + severities[priority%8] + " " + text
}
