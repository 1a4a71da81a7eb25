// Command modbus reads holding registers of a Modbus/TCP device, whose messages begin with their length: bytes, where lines would not do.
//
//	go run ./peers -modbus 5020 &
//	go run ./modbus -port 5020 -unit 1 -from 100 -count 4
package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"time"

	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	host := flag.String("host", "127.0.0.1", "where the device is, as the gateway sees it")
	port := flag.Int("port", 502, "its port")
	unit := flag.Uint("unit", 1, "the unit behind it")
	from := flag.Uint("from", 0, "the first register")
	count := flag.Uint("count", 1, "how many")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	gateway, err := socketgateway.Dial(ctx, *address)
	if err != nil {
		log.Fatal(err)
	}
	defer gateway.Close()
	conn, err := gateway.DialContext(ctx, "tcp", net.JoinHostPort(*host, strconv.Itoa(*port)))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	registers, err := read(conn, byte(*unit), uint16(*from), uint16(*count))
	if err != nil {
		log.Fatal(err)
	}
	for i, register := range registers {
		fmt.Printf("%d: %d\n", int(*from)+i, register)
	}
}

// The header of every message: transaction, protocol (0), length of what follows, unit.
type header struct {
	Transaction, Protocol, Length uint16
	Unit                          byte
}

const (
	readHolding = 3
	// An answer whose function has this bit says what went wrong.
	exception = 0x80
	// The longest message the standard allows, without the part of the header before the unit.
	longest = 254
)

// read asks for registers and takes the answer apart, on any connection.
func read(conn net.Conn, unit byte, from, count uint16) ([]uint16, error) {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	request := struct {
		Header      header
		Function    byte
		From, Count uint16
	}{header{Transaction: 1, Length: 6, Unit: unit}, readHolding, from, count}
	if err := binary.Write(conn, binary.BigEndian, request); err != nil {
		return nil, err
	}
	var answer header
	if err := binary.Read(conn, binary.BigEndian, &answer); err != nil {
		return nil, err
	}
	if answer.Transaction != 1 || answer.Protocol != 0 || answer.Length < 3 || answer.Length > longest {
		return nil, fmt.Errorf("this is no Modbus: %+v", answer)
	}
	body := make([]byte, answer.Length-1)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	if body[0] == readHolding|exception {
		return nil, fmt.Errorf("the device refuses with exception %d", body[1])
	}
	if body[0] != readHolding || int(body[1]) != len(body)-2 || len(body) != 2+2*int(count) {
		return nil, fmt.Errorf("an answer to another question: % x", body)
	}
	registers := make([]uint16, count)
	for i := range registers {
		registers[i] = binary.BigEndian.Uint16(body[2+2*i:])
	}
	return registers, nil
}
