// Command redis counts its own runs in a Redis that only the gateway reaches. go-redis takes the gateway's dialer and notices no difference.
//
//	go run ./redis -redis 127.0.0.1:6379
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/redis/go-redis/v9"
	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	server := flag.String("redis", "127.0.0.1:6379", "where Redis is, as the gateway sees it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *address, *server); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address, server string) error {
	gateway, err := socketgateway.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer gateway.Close()
	client := redis.NewClient(&redis.Options{Addr: server, Dialer: gateway.DialContext})
	defer client.Close()
	// Several commands in one go, and their answers.
	var runs *redis.IntCmd
	if _, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		runs = pipe.Incr(ctx, "runs")
		pipe.LPush(ctx, "log", "another run")
		pipe.LTrim(ctx, "log", 0, 99)
		return nil
	}); err != nil {
		return err
	}
	lines, err := client.LLen(ctx, "log").Result()
	if err != nil {
		return err
	}
	fmt.Println("run", runs.Val(), "with", lines, "lines in the log")
	return nil
}
