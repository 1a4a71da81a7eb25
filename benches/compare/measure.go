package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// messageBytes is what one echo carries.
	messageBytes = 64
	// connections that echo, or are opened and closed, at the same time.
	connections = 16
)

// figure is one thing that is measured of every way.
type figure struct {
	name, unit string
	// scale turns what is counted in a second into the unit.
	scale   float64
	measure func(context.Context, way, time.Duration) (float64, error)
}

var figures = []figure{
	{fmt.Sprintf("echo, %d B, %d connections", messageBytes, connections), "k/s", 1e-3, echoes},
	{"bulk, 1 connection", "MB/s", 1e-6, bulk},
	{fmt.Sprintf("open, 1 echo, close, %d at once", connections), "/s", 1, cycles},
}

// measureAll takes every figure of every way, in turns.
func measureAll(ctx context.Context, ways []way, rounds int, length time.Duration) (*table, error) {
	results := newTable(ways)
	for round := range rounds {
		for at, figure := range figures {
			for by, way := range ways {
				value, err := figure.measure(ctx, way, length)
				if err != nil {
					return nil, fmt.Errorf("%s by %s, round %d: %w", figure.name, way.name, round+1, err)
				}
				results.add(at, by, value)
			}
		}
	}
	return results, nil
}

// open dials and says what is asked of the peer.
func open(ctx context.Context, way way, ask byte) (net.Conn, error) {
	conn, err := way.dial(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte{ask}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// together runs work a number of times at once until the time is over; gives what they did in a second.
func together(length time.Duration, work func(over func() bool, count *atomic.Int64) error) (float64, error) {
	var (
		group  sync.WaitGroup
		count  atomic.Int64
		failed = make(chan error, connections)
	)
	started := time.Now()
	over := func() bool { return time.Since(started) >= length }
	for range connections {
		group.Go(func() {
			if err := work(over, &count); err != nil {
				failed <- err
			}
		})
	}
	group.Wait()
	seconds := time.Since(started).Seconds()
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(count.Load()) / seconds, nil
	}
}

// echoes counts round trips, one message under way on each connection.
func echoes(ctx context.Context, way way, length time.Duration) (float64, error) {
	conns := make(chan net.Conn, connections)
	for range connections {
		conn, err := open(ctx, way, askEcho)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		conns <- conn
	}
	return together(length, func(over func() bool, count *atomic.Int64) error {
		conn, message := <-conns, make([]byte, messageBytes)
		for !over() {
			if _, err := conn.Write(message); err != nil {
				return err
			}
			if _, err := io.ReadFull(conn, message); err != nil {
				return err
			}
			count.Add(1)
		}
		return nil
	})
}

// bulk counts bytes of a flooding peer.
func bulk(ctx context.Context, way way, length time.Duration) (float64, error) {
	conn, err := open(ctx, way, askFlood)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	buffer := make([]byte, floodBytes)
	var read int
	started := time.Now()
	for time.Since(started) < length {
		count, err := conn.Read(buffer)
		if err != nil {
			return 0, err
		}
		read += count
	}
	return float64(read) / time.Since(started).Seconds(), nil
}

// cycles counts connections that are opened, echo once, and are closed.
func cycles(ctx context.Context, way way, length time.Duration) (float64, error) {
	return together(length, func(over func() bool, count *atomic.Int64) error {
		byte1 := make([]byte, 1)
		for !over() {
			conn, err := open(ctx, way, askEcho)
			if err != nil {
				return err
			}
			if _, err := conn.Write(byte1); err != nil {
				return errors.Join(err, conn.Close())
			}
			if _, err := io.ReadFull(conn, byte1); err != nil {
				return errors.Join(err, conn.Close())
			}
			if err := conn.Close(); err != nil {
				return err
			}
			count.Add(1)
		}
		return nil
	})
}
