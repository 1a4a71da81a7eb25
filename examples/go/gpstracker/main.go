// Command gpstracker is the server that GPS trackers report to: each connects and sends NMEA 0183 sentences; positions are printed.
//
//	go run ./gpstracker -port 5055
//	printf '$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n' | nc 127.0.0.1 5055
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	host := flag.String("host", "127.0.0.1", "the address of the gateway's machine to listen on; empty: all")
	port := flag.Int("port", 5055, "the port to listen on; 0: a free one")
	silence := flag.Duration("silence", 5*time.Minute, "a tracker that is silent for so long is hung up on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *address, *host, *port, *silence); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address, host string, port int, silence time.Duration) error {
	gateway, err := socketgateway.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer gateway.Close()
	// Trackers lose their network without a word, so silence ends a session; for accepted ones that is what the timeout does.
	listener, err := gateway.Listen(ctx, host, port, socketgateway.LineMode(), socketgateway.InactivityTimeout(silence))
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	for tracker, err := range listener.Sessions(ctx) {
		if err != nil {
			return err
		}
		go follow(ctx, tracker)
	}
	return nil
}

func follow(ctx context.Context, tracker *socketgateway.Session) {
	defer tracker.Close()
	for line, err := range tracker.Lines(ctx) {
		if err != nil {
			fmt.Println(tracker.RemoteAddr(), err)
			return
		}
		switch latitude, longitude, err := position(line); {
		case errors.Is(err, errNoPosition):
		case err != nil:
			fmt.Printf("%v %v: %q\n", tracker.RemoteAddr(), err, line)
		default:
			fmt.Printf("%v %.5f %.5f\n", tracker.RemoteAddr(), latitude, longitude)
		}
	}
}

var errNoPosition = errors.New("no position in this sentence")

// position reads an RMC sentence: latitude and longitude in degrees, south and west negative.
func position(sentence string) (latitude, longitude float64, err error) {
	body, checksum, ok := strings.Cut(strings.TrimSpace(sentence), "*")
	body, dollar := strings.CutPrefix(body, "$")
	if !ok || !dollar {
		return 0, 0, errors.New("no NMEA sentence")
	}
	var sum byte
	for i := range len(body) {
		sum ^= body[i]
	}
	if told, err := strconv.ParseUint(checksum, 16, 8); err != nil || byte(told) != sum {
		return 0, 0, errors.New("the checksum is wrong")
	}
	fields := strings.Split(body, ",")
	// The first two letters name the satellites: GP, GL, GN …
	if len(fields[0]) != 5 || fields[0][2:] != "RMC" || len(fields) < 7 || fields[2] != "A" {
		return 0, 0, errNoPosition
	}
	latitude, err = degrees(fields[3], fields[4], "S")
	if err != nil {
		return 0, 0, err
	}
	longitude, err = degrees(fields[5], fields[6], "W")
	return latitude, longitude, err
}

// degrees reads ddmm.mmm or dddmm.mmm.
func degrees(text, hemisphere, negative string) (float64, error) {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errors.New("no angle")
	}
	whole := math.Floor(value / 100)
	angle := whole + (value-100*whole)/60
	if hemisphere == negative {
		angle = -angle
	}
	return angle, nil
}
