// Package socketgateway uses raw TCP and UDP sockets through a socket gateway: a service that opens, reads, writes and closes sockets for
// programs that cannot, may not or would rather not do it themselves.
//
// [Dial] gives a [Gateway]. [Gateway.Connect] dials and gives a [Session]; [Gateway.Listen] gives a [Listener], whose Accept gives a session
// for each visitor; [Gateway.UDPIn] gives a [UDPSocket]. A session is read line by line ([Session.Lines]), chunk by chunk
// ([Session.Chunks]) or from match to match of a pattern ([Session.Matches]); [Session.Exchange] asks a question and gives its answer.
//
// Code that knows nothing of gateways works over [Session.Conn], a [net.Conn], over [Gateway.DialContext], which fits into an http.Transport
// or a database client, over [Listener.Net], a [net.Listener], and over [UDPSocket.PacketConn], a [net.PacketConn].
//
// # What can be relied on
//
// One stream carries everything a Gateway has open. What the application has not taken stays with the gateway, which then stops
// reading the peer: a slow reader holds up its own session only, and memory stays within what the gateway allows a session
// (256 KiB unless it is configured otherwise).
//
// When the stream breaks, it is taken up where it broke: nothing is lost, nothing comes twice, and what was being sent is not sent twice.
// Where that is impossible, because the gateway was restarted, every session ends with an error that is [ErrInstanceChanged].
//
// # Errors
//
// What the gateway refuses is an [*Error] with the gateway's reason; each [Reason] is an error by itself, for [errors.Is]:
//
//	if errors.Is(err, socketgateway.ErrConnectFailed) { … }
//	if errors.Is(err, syscall.ECONNREFUSED) { … }
//
// When a context ends, the error is the context's.
//
// # Concurrency
//
// Everything may be used by several goroutines at once. Sends of one session go out one after the other; of two goroutines that read
// one session each gets what the other does not.
package socketgateway

// Version is the version of this client.
const Version = "0.1.0"
