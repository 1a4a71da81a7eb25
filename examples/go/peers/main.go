// Command peers plays the devices that the examples talk to, where none is at hand.
//
//	go run ./peers -board 2424 -scpi 5025 -modbus 5020
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"sync"

	"socketgateway.dev/examples/internal/peers"
)

func main() {
	board := flag.Int("board", 0, "the port of a bulletin board; 0: none")
	scpi := flag.Int("scpi", 0, "the port of a measuring instrument; 0: none")
	modbus := flag.Int("modbus", 0, "the port of a Modbus/TCP device; 0: none")
	flag.Parse()
	var serving sync.WaitGroup
	for _, device := range []struct {
		name string
		port int
		play func(io.ReadWriter)
	}{
		{"board", *board, peers.Board}, {"instrument", *scpi, peers.Instrument}, {"Modbus device", *modbus, peers.Modbus},
	} {
		if device.port == 0 {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", device.port))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(device.name, "at", listener.Addr())
		serving.Go(func() { peers.Serve(listener, device.play) })
	}
	serving.Wait()
}
