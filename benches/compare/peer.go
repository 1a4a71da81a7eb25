package main

import (
	"io"
	"net"
)

// What a connection asks of the peer with its first byte.
const (
	askEcho  = 'e'
	askFlood = 'f'
)

// floodBytes is what the flooding peer writes at once.
const floodBytes = 64 * 1024

// startPeer serves the far end: an echo, or a flood until the connection ends.
func startPeer() (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener, nil
}

func serve(conn net.Conn) {
	defer conn.Close()
	asked := make([]byte, 1)
	if _, err := io.ReadFull(conn, asked); err != nil {
		return
	}
	switch asked[0] {
	case askEcho:
		buffer := make([]byte, floodBytes)
		for {
			count, err := conn.Read(buffer)
			if err != nil {
				return
			}
			if _, err := conn.Write(buffer[:count]); err != nil {
				return
			}
		}
	case askFlood:
		chunk := make([]byte, floodBytes)
		for {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	}
}
