package socketgateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	socketgateway "socketgateway.dev"
	pb "socketgateway.dev/gen/tcpip/v1"
)

// refused makes the status of a call that the gateway refuses.
func refused(t *testing.T, code codes.Code, reason string, metadata map[string]string) error {
	t.Helper()
	said := ok(status.New(code, "a sentence").WithDetails(
		&errdetails.ErrorInfo{Reason: reason, Domain: "socket-gateway", Metadata: metadata}))(t)
	return said.Err()
}

func TestEveryReasonOfTheAPIIsAnErrorOfThisPackage(t *testing.T) {
	known := []socketgateway.Reason{
		socketgateway.ErrConnectInvalid, socketgateway.ErrSessionIDConflict, socketgateway.ErrConnectFailed,
		socketgateway.ErrListenInvalid, socketgateway.ErrServerError, socketgateway.ErrSessionNotFound,
		socketgateway.ErrListenerNotFound, socketgateway.ErrSessionNotConnected, socketgateway.ErrSocketNotConnected,
		socketgateway.ErrPayloadInvalid, socketgateway.ErrWaitForInvalid, socketgateway.ErrSendInvalid,
		socketgateway.ErrUDPSendFailed, socketgateway.ErrUDPError, socketgateway.ErrTimeout, socketgateway.ErrTransportError,
		socketgateway.ErrFrameTooLong, socketgateway.ErrLimitReached, socketgateway.ErrPolicyDenied,
		socketgateway.ErrWriteOffsetMismatch, socketgateway.ErrRequestInvalid, socketgateway.ErrInstanceChanged,
		socketgateway.ErrEpochChanged, socketgateway.ErrStreamStalled, socketgateway.ErrShuttingDown,
		socketgateway.ErrSessionEnded, socketgateway.ErrUnauthenticated, socketgateway.ErrRoleDenied, socketgateway.ErrInternal,
	}
	names := map[string]bool{}
	for _, reason := range known {
		names[string(reason)] = true
		err := socketgateway.FromRPC("try", refused(t, codes.Internal, string(reason), nil))
		if !errors.Is(err, reason) || errors.Is(err, socketgateway.Reason("ANOTHER")) {
			t.Errorf("%v is not %v", err, reason)
		}
	}
	values := pb.ErrorReason(0).Descriptor().Values()
	for i := 1; i < values.Len(); i++ {
		name := strings.TrimPrefix(string(values.Get(i).Name()), "ERROR_REASON_")
		if !names[name] {
			t.Errorf("%s has no name in this package", name)
		}
	}
}

func TestAnErrorCarriesWhatTheGatewaySaid(t *testing.T) {
	said := ok(status.New(codes.InvalidArgument, "two fields are wrong").WithDetails(
		&errdetails.ErrorInfo{Reason: "CONNECT_INVALID", Domain: "socket-gateway"},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "host", Description: "missing"}, {Field: "port", Description: "too large"}}}))(t)
	err := socketgateway.FromRPC("connect", said.Err())
	const want = "socketgateway: connect: two fields are wrong: host: missing; port: too large (CONNECT_INVALID)"
	if err.Error() != want {
		t.Errorf("%s", err)
	}
	err = socketgateway.FromRPC("connect", refused(t, codes.DeadlineExceeded, "CONNECT_FAILED", map[string]string{"errno": "ETIMEDOUT"}))
	if !errors.Is(err, syscall.ETIMEDOUT) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	var network net.Error
	if !errors.As(err, &network) || !network.Timeout() {
		t.Errorf("%v is no timeout", err)
	}
	if err := socketgateway.FromRPC("connect", nil); err != nil {
		t.Error(err)
	}
}

func TestDialingTellsWhatIsWrong(t *testing.T) {
	noLeaks(t)
	nobody := net.JoinHostPort("127.0.0.1", itoa(freePort(t)))
	_, err := socketgateway.Dial(within(t), nobody)
	var failed *socketgateway.Error
	if !errors.As(err, &failed) || failed.Code != codes.Unavailable || !strings.Contains(err.Error(), nobody) {
		t.Errorf("%v", err)
	}
	_, err = socketgateway.Dial(within(t), "gateway.example:50051", socketgateway.WithToken("secret"))
	if err == nil || !strings.Contains(err.Error(), "WithPlaintextToken") {
		t.Errorf("%v", err)
	}
	// It accepts and says nothing.
	host, port := peer(t, func(conn *net.TCPConn) { _, _ = io.Copy(io.Discard, conn) })
	ctx, cancel := context.WithTimeout(within(t), 0)
	defer cancel()
	if _, err = socketgateway.Dial(ctx, net.JoinHostPort(host, itoa(port))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
