// Command multicast receives what is sent to a group, or sends to it.
//
//	go run ./multicast -interface eth0 receive
//	go run ./multicast -interface eth0 send hello
//
// The interface is one of the gateway's machine, by name or IPv4 address. IPv6 groups work as well.
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

	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	group := flag.String("group", "239.255.42.99", "the group")
	port := flag.Int("port", 4299, "its port; 0 to receive on a free one")
	on := flag.String("interface", "", "the interface; empty: the gateway's system chooses")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	gateway, err := socketgateway.Dial(ctx, *address)
	if err != nil {
		log.Fatal(err)
	}
	defer gateway.Close()
	switch flag.Arg(0) {
	case "receive":
		err = receive(ctx, gateway, *group, *port, *on)
	case "send":
		err = send(ctx, gateway, *group, *port, *on, flag.Arg(1))
	default:
		err = errors.New("usage: multicast [flags] receive | send TEXT")
	}
	if err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func receive(ctx context.Context, gateway *socketgateway.Gateway, group string, port int, on string) error {
	member, err := gateway.UDPIn(ctx, "", port, socketgateway.Group(group, on))
	if err != nil {
		return err
	}
	defer member.Close()
	fmt.Println("listening on", member.LocalAddr(), "groups", member.Groups())
	for datagram, err := range member.Datagrams(ctx) {
		if err != nil {
			return err
		}
		if datagram.Missed > 0 {
			fmt.Println(datagram.Missed, "datagrams were dropped here")
		}
		fmt.Printf("%v: %s\n", datagram.From.Addr(), datagram.Payload)
	}
	return nil
}

func send(ctx context.Context, gateway *socketgateway.Gateway, group string, port int, on, text string) error {
	// A TTL of 1 is what a datagram has anyway: it does not leave the network.
	sent, err := gateway.SendDatagram(ctx, group, port, []byte(text),
		socketgateway.MulticastInterface(on), socketgateway.MulticastTTL(1))
	if err != nil {
		return err
	}
	fmt.Println(sent.Bytes, "bytes sent to", sent.To)
	return nil
}
