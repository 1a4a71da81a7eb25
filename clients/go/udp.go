package socketgateway

import (
	"context"
	"iter"
	"net"
	"net/netip"
	"time"

	pb "socketgateway.dev/gen/tcpip/v1"
)

// Datagram is one UDP datagram that arrived.
type Datagram struct {
	// Payload is what it carries; it may be empty.
	Payload []byte
	// Text tells that a socket with [UTF8] got valid UTF-8.
	Text bool
	// From is its sender.
	From netip.AddrPort
	// Missed counts the datagrams that were dropped just before it, because nobody took them in time.
	Missed uint64
}

// UDPOption is an option of [Gateway.UDPIn].
type UDPOption func(*pb.UdpInRequest)

// Group makes the socket join a multicast group, of IPv4 or IPv6. The interface is one of the gateway's machine, by name or IPv4 address;
// empty: its system chooses.
func Group(address, onInterface string) UDPOption {
	return func(r *pb.UdpInRequest) {
		r.MulticastGroups = append(r.MulticastGroups, &pb.MulticastGroup{Address: address, Interface: onInterface})
	}
}

// UTF8 makes the gateway tell which datagrams are valid UTF-8.
func UTF8() UDPOption {
	return func(r *pb.UdpInRequest) { r.Mode = pb.UdpMode_UDP_MODE_UTF8 }
}

// ReuseAddress sets SO_REUSEADDR. Without it, on with groups and off without.
func ReuseAddress(reuse bool) UDPOption {
	return func(r *pb.UdpInRequest) { r.ReuseAddress = &reuse }
}

// UDPSessionID gives the socket an id of the caller's.
func UDPSessionID(id string) UDPOption {
	return func(r *pb.UdpInRequest) { r.SessionId = id }
}

// UDPInactivityTimeout makes an [Inactive] event of it when no datagram came or went for this long; with closeIt, the socket is closed then.
func UDPInactivityTimeout(after time.Duration, closeIt bool) UDPOption {
	return func(r *pb.UdpInRequest) {
		r.Timeout, r.OnTimeout = duration(after), pb.TimeoutAction_TIMEOUT_ACTION_KEEP
		if closeIt {
			r.OnTimeout = pb.TimeoutAction_TIMEOUT_ACTION_CLOSE
		}
	}
}

// UDPOrphanTimeout is as [OrphanTimeout].
func UDPOrphanTimeout(after time.Duration) UDPOption {
	return func(r *pb.UdpInRequest) { r.OrphanTimeout = durationOf(&after) }
}

// DatagramOption is an option of sending a datagram.
type DatagramOption func(*pb.UdpOutRequest)

// Broadcast allows a broadcast destination.
func Broadcast() DatagramOption { return func(r *pb.UdpOutRequest) { r.Broadcast = true } }

// MulticastTTL sets how many routers a multicast datagram may pass; without it, none (1).
func MulticastTTL(hops uint8) DatagramOption {
	return func(r *pb.UdpOutRequest) {
		ttl := uint32(hops)
		r.MulticastTtl = &ttl
	}
}

// MulticastLoopback sets whether the gateway's own machine gets the multicast datagram too; without it, it does.
func MulticastLoopback(loop bool) DatagramOption {
	return func(r *pb.UdpOutRequest) { r.MulticastLoopback = &loop }
}

// MulticastInterface sets where multicast goes out on the gateway's machine, by name or IPv4 address.
func MulticastInterface(name string) DatagramOption {
	return func(r *pb.UdpOutRequest) { r.MulticastInterface = name }
}

// SentDatagram tells about a datagram that the operating system has taken.
type SentDatagram struct {
	// MessageID is the gateway's id for it.
	MessageID string
	// To is the address that it went to.
	To netip.AddrPort
	// Bytes is the size of its payload.
	Bytes int
}

// UDPSocket is one UDP socket of the gateway. Close it.
type UDPSocket struct {
	socket socket
	groups []string
}

// UDPIn binds a UDP socket on the gateway. An empty host is all addresses of its machine; port 0 is a free one, which LocalAddr tells.
func (g *Gateway) UDPIn(ctx context.Context, host string, port int, options ...UDPOption) (*UDPSocket, error) {
	request := &pb.UdpInRequest{
		Host:       host,
		Port:       uint32(port),
		Subscriber: g.subscriber,
		RequestId:  requestID(""),
	}
	for _, option := range options {
		option(request)
	}
	if err := g.reached(ctx); err != nil {
		return nil, err
	}
	answer, err := g.rpc.UdpIn(ctx, request)
	if err != nil {
		return nil, fromRPC(ctx, "udp in", err)
	}
	return g.newUDPSocket(answer.GetSessionId(), answer.GetListening().GetLocalHost(), answer.GetListening().GetLocalPort(),
		answer.GetListening().GetMulticastGroups(), true)
}

// UDPSocket gives a UDP socket that is open in the gateway already for this client's subscriber name: one that the gateway's configuration
// declares, or one of an earlier run.
func (g *Gateway) UDPSocket(ctx context.Context, id string) (*UDPSocket, error) {
	if err := g.reached(ctx); err != nil {
		return nil, err
	}
	answer, err := g.admin.GetSession(ctx, &pb.GetSessionRequest{SessionId: id})
	if err != nil {
		return nil, fromRPC(ctx, "udp socket", err)
	}
	found := answer.GetSession()
	return g.newUDPSocket(id, found.GetLocalHost(), found.GetLocalPort(), found.GetMulticastGroups(), false)
}

func (g *Gateway) newUDPSocket(id, host string, port uint32, groups []string, owned bool) (*UDPSocket, error) {
	u := &UDPSocket{socket: newSocket(g, id, owned), groups: groups}
	u.socket.local = udpAddr(host, port)
	return u, g.adopt(&u.socket)
}

func udpAddr(host string, port uint32) net.Addr {
	return net.UDPAddrFromAddrPort(addrPort(host, port))
}

func addrPort(host string, port uint32) netip.AddrPort {
	// The gateway gives addresses, never names; the zero Addr prints as "invalid" if it does not.
	addr, _ := netip.ParseAddr(host)
	return netip.AddrPortFrom(addr, uint16(port))
}

// ID is the socket's session id in the gateway.
func (u *UDPSocket) ID() string { return u.socket.id }

// LocalAddr is the address that is really bound, a *net.UDPAddr.
func (u *UDPSocket) LocalAddr() net.Addr {
	local, _ := u.socket.addrs()
	return local
}

// Groups lists the multicast groups that were joined.
func (u *UDPSocket) Groups() []string { return u.groups }

// Receive waits for the next datagram.
func (u *UDPSocket) Receive(ctx context.Context) (Datagram, error) {
	item, err := u.socket.take(ctx.Done(), false)
	if err != nil {
		return Datagram{}, stoppedBy(ctx, "receive", err)
	}
	return datagramOf(item), nil
}

// Datagrams goes through the datagrams as they come, until the socket is closed.
func (u *UDPSocket) Datagrams(ctx context.Context) iter.Seq2[Datagram, error] {
	return each(ctx, u.Receive)
}

func datagramOf(item received) Datagram {
	datagram := item.data.GetDatagram()
	payload := datagram.GetBytes()
	text, isText := datagram.GetPayload().(*pb.Datagram_Text)
	if isText {
		payload = []byte(text.Text)
	}
	from := addrPort(datagram.GetRemoteHost(), datagram.GetRemotePort())
	return Datagram{Payload: payload, Text: isText, From: from, Missed: item.missed}
}

// Reply sends a datagram to the sender of another, from the port that it came to.
func (u *UDPSocket) Reply(ctx context.Context, to Datagram, payload []byte) error {
	_, err := u.SendTo(ctx, to.From.Addr().String(), int(to.From.Port()), payload)
	return err
}

// SendTo sends a datagram from this socket. The host is a name or an address: unicast, multicast or (with [Broadcast]) broadcast.
//
// When the stream breaks before the answer, the datagram is sent again, as a network may do.
func (u *UDPSocket) SendTo(ctx context.Context, host string, port int, payload []byte, options ...DatagramOption) (SentDatagram, error) {
	sent, err := u.sendTo(ctx.Done(), host, port, payload, options)
	return sent, stoppedBy(ctx, "send", err)
}

func (u *UDPSocket) sendTo(stop <-chan struct{}, host string, port int, payload []byte, options []DatagramOption) (SentDatagram, error) {
	select {
	case <-u.socket.done:
		return SentDatagram{}, u.socket.endError("send")
	default:
	}
	if u.socket.isClosed() {
		return SentDatagram{}, ErrClosed
	}
	return u.socket.gateway.datagram(stop, u.socket.id, host, port, payload, options)
}

// SendDatagram sends one datagram from a fresh socket of the gateway; otherwise as [UDPSocket.SendTo].
func (g *Gateway) SendDatagram(ctx context.Context, host string, port int, payload []byte, options ...DatagramOption) (SentDatagram, error) {
	sent, err := g.datagram(ctx.Done(), "", host, port, payload, options)
	return sent, stoppedBy(ctx, "send", err)
}

func (g *Gateway) datagram(stop <-chan struct{}, id, host string, port int, payload []byte, options []DatagramOption) (SentDatagram, error) {
	request := &pb.UdpOutRequest{
		Host: host,
		Port: uint32(port),
		// A copy, as for TCP. An empty datagram is one too.
		Payload:   &pb.PayloadItem{Item: &pb.PayloadItem_Bytes{Bytes: append([]byte{}, payload...)}},
		SessionId: id,
	}
	for _, option := range options {
		option(request)
	}
	select {
	case g.datagrams <- struct{}{}:
	case <-stop:
		return SentDatagram{}, errStopped
	}
	asked, err := g.enqueue(&command{
		request: &pb.AttachRequest{Command: &pb.AttachRequest_UdpOut{UdpOut: request}},
		slot:    g.datagrams,
	})
	if err != nil {
		<-g.datagrams
		return SentDatagram{}, err
	}
	select {
	case outcome := <-asked.result:
		said := outcome.answer.GetUdpOut()
		return SentDatagram{
			MessageID: said.GetMessageId(),
			To:        addrPort(said.GetHost(), said.GetPort()),
			Bytes:     int(said.GetBytes()),
		}, outcome.failure("send")
	case <-stop:
		return SentDatagram{}, errStopped
	}
}

// NextEvent gives the next thing that happened to the socket, waiting for it; io.EOF after the last.
func (u *UDPSocket) NextEvent(ctx context.Context) (Event, error) { return u.socket.nextEvent(ctx) }

// Events goes through what happens to the socket, to its end.
func (u *UDPSocket) Events(ctx context.Context) iter.Seq2[Event, error] {
	return each(ctx, u.NextEvent)
}

// Disconnect closes the socket. What has arrived before can still be received. That it has ended already is no error.
func (u *UDPSocket) Disconnect(ctx context.Context) error { return u.socket.disconnect(ctx, false) }

// Done is closed when the socket has ended.
func (u *UDPSocket) Done() <-chan struct{} { return u.socket.done }

// Closed waits for the end of the socket and tells why it ended.
func (u *UDPSocket) Closed(ctx context.Context) (End, error) { return u.socket.closedWith(ctx) }

// Close closes the socket without waiting for it, and lets go of what has not been received. Later calls are ErrClosed.
func (u *UDPSocket) Close() error {
	if !u.socket.discard() {
		return ErrClosed
	}
	u.socket.hangUp()
	return nil
}
