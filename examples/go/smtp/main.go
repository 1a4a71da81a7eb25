// Command smtp sends a mail with Go's own net/smtp, which knows nothing of gateways: the gateway dials the mail server.
//
//	echo 'Through a gateway.' | go run ./smtp -host mail.example -from me@mail.example -to you@mail.example -subject Hello
package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/smtp"
	"os"
	"os/signal"
	"strconv"
	"time"

	socketgateway "socketgateway.dev"
)

func main() {
	address := flag.String("gateway", cmp.Or(os.Getenv("GATEWAY"), "127.0.0.1:50051"), "where the gateway is")
	host := flag.String("host", "127.0.0.1", "where the mail server is, as the gateway sees it")
	port := flag.Int("port", 25, "its port")
	from := flag.String("from", "", "the sender's address")
	to := flag.String("to", "", "the recipient's address")
	subject := flag.String("subject", "", "the subject")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	mail := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\n\r\n%s",
		*from, *to, *subject, time.Now().Format(time.RFC1123Z), text)
	if err := send(ctx, *address, *host, *port, *from, *to, mail); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the mail server has it")
}

func send(ctx context.Context, address, host string, port int, from, to, mail string) error {
	gateway, err := socketgateway.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer gateway.Close()
	conn, err := gateway.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	defer client.Close()
	if offered, _ := client.Extension("STARTTLS"); offered {
		// TLS is between this program and the mail server: the gateway carries what it cannot read.
		if err := client.StartTLS(&tls.Config{ServerName: host}); err != nil {
			return err
		}
	}
	if err := client.Mail(from); err != nil {
		return err
	}
	if err := client.Rcpt(to); err != nil {
		return err
	}
	body, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(body, mail); err != nil {
		return err
	}
	// The server's word that it has the mail comes here.
	if err := body.Close(); err != nil {
		return err
	}
	return client.Quit()
}
