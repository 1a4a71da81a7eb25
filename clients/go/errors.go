package socketgateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	pb "socketgateway.dev/gen/tcpip/v1"
)

// Reason is the word by which the gateway names what went wrong. It is an error itself, so that errors.Is(err, ErrSessionNotFound) tells
// whether err is an [*Error] with this reason. The proto file error_reason.proto says which metadata comes with each.
type Reason string

// The reasons of the gateway.
const (
	// ErrConnectInvalid: the host, the port or an option of Connect makes no sense; Violations says which.
	ErrConnectInvalid Reason = "CONNECT_INVALID"
	// ErrSessionIDConflict: the forced session id is in use.
	ErrSessionIDConflict Reason = "SESSION_ID_CONFLICT"
	// ErrConnectFailed: the peer refused, is unreachable, did not answer in time, or its name was not found.
	ErrConnectFailed Reason = "CONNECT_FAILED"
	// ErrListenInvalid: an argument of Listen or UDPIn makes no sense.
	ErrListenInvalid Reason = "LISTEN_INVALID"
	// ErrServerError: the operating system refused the listener's address.
	ErrServerError Reason = "SERVER_ERROR"
	// ErrSessionNotFound: no session has this id; it never existed or has ended.
	ErrSessionNotFound Reason = "SESSION_NOT_FOUND"
	// ErrListenerNotFound: no listener has this id.
	ErrListenerNotFound Reason = "LISTENER_NOT_FOUND"
	// ErrSessionNotConnected: the session is still connecting, already closing, or a UDP socket.
	ErrSessionNotConnected Reason = "SESSION_NOT_CONNECTED"
	// ErrSocketNotConnected: the connection died under a send; the metadata says how many items went out whole.
	ErrSocketNotConnected Reason = "SOCKET_NOT_CONNECTED"
	// ErrPayloadInvalid: nothing to send, or too much of it.
	ErrPayloadInvalid Reason = "PAYLOAD_INVALID"
	// ErrWaitForInvalid: the pattern does not compile or compiles too large, or the session is not in line mode.
	ErrWaitForInvalid Reason = "WAIT_FOR_INVALID"
	// ErrSendInvalid: the destination of a datagram makes no sense.
	ErrSendInvalid Reason = "SEND_INVALID"
	// ErrUDPSendFailed: the datagram could not be sent.
	ErrUDPSendFailed Reason = "UDP_SEND_FAILED"
	// ErrUDPError: a UDP socket could not be bound, a group not joined, or the socket failed later.
	ErrUDPError Reason = "UDP_ERROR"
	// ErrTimeout: an exchange had no answer in time, or a session was inactive for its timeout.
	ErrTimeout Reason = "TIMEOUT"
	// ErrTransportError: the socket of a session failed, for example because the peer reset it.
	ErrTransportError Reason = "TRANSPORT_ERROR"
	// ErrFrameTooLong: a line is longer than the gateway allows; the session ends.
	ErrFrameTooLong Reason = "FRAME_TOO_LONG"
	// ErrLimitReached: a limit of the gateway was reached; the metadata names it.
	ErrLimitReached Reason = "LIMIT_REACHED"
	// ErrPolicyDenied: the gateway's policy forbids it; the metadata names the rule.
	ErrPolicyDenied Reason = "POLICY_DENIED"
	// ErrWriteOffsetMismatch: the send's expected offset is not the session's; nothing was written.
	ErrWriteOffsetMismatch Reason = "WRITE_OFFSET_MISMATCH"
	// ErrRequestInvalid: a field of some other request is out of its bounds.
	ErrRequestInvalid Reason = "REQUEST_INVALID"
	// ErrInstanceChanged: the gateway was restarted, and its sessions are gone.
	ErrInstanceChanged Reason = "INSTANCE_CHANGED"
	// ErrEpochChanged: this client was away for so long that the gateway has forgotten it.
	ErrEpochChanged Reason = "EPOCH_CHANGED"
	// ErrStreamStalled: the stream took nothing for too long. This client resumes by itself.
	ErrStreamStalled Reason = "STREAM_STALLED"
	// ErrShuttingDown: the gateway is going down.
	ErrShuttingDown Reason = "SHUTTING_DOWN"
	// ErrSessionEnded: the session ended before there was an answer, or otherwise than by the peer's or the caller's wish; the metadata
	// says why.
	ErrSessionEnded Reason = "SESSION_ENDED"
	// ErrUnauthenticated: the gateway accepts no caller without credentials, and these are none that it knows, or they have expired.
	ErrUnauthenticated Reason = "UNAUTHENTICATED"
	// ErrRoleDenied: the caller's role does not allow this call, or not in this namespace.
	ErrRoleDenied Reason = "ROLE_DENIED"
	// ErrInternal: a bug of the gateway; please report it.
	ErrInternal Reason = "INTERNAL"
)

// Errors of this client's own.
var (
	// ErrClosed is the error of everything that is used after its Close, or after the Gateway's.
	ErrClosed = errors.New("socketgateway: used after Close")
	// ErrWrongMode is the error of reading lines or matches of a binary session, or chunks (or a net.Conn) of a line session.
	ErrWrongMode = errors.New("socketgateway: not in this mode: Lines and Matches need LineMode(), Chunks and Conn go without it")
	// ErrElsewhere is the error of a net.Conn that misses bytes, because they went to an exchange or to another subscriber.
	ErrElsewhere = errors.New("socketgateway: bytes of this connection went to an exchange or to another subscriber")
	// ErrUncertain is the error of a send whose answer was lost with the stream, where nothing tells whether it was written.
	ErrUncertain = errors.New("socketgateway: the stream broke, and whether this was sent is not known")
)

// Error makes a reason an error, so that it can be the target of errors.Is.
func (r Reason) Error() string { return "socketgateway: " + string(r) }

// Violation is one bad argument.
type Violation struct {
	// Field is its name in the gateway's API.
	Field string
	// Description says what is wrong with it and what would be right.
	Description string
}

// Error is what the gateway says about something that failed.
type Error struct {
	// Op is what was being done, for example "connect".
	Op string
	// Code is the gRPC status code.
	Code codes.Code
	// Reason is the gateway's word for it; empty where the gateway was not reached or did not understand the call.
	Reason Reason
	// Message is a sentence for people.
	Message string
	// Metadata has the ids, addresses and limits concerned, and "errno" where the operating system refused.
	Metadata map[string]string
	// Violations lists the bad arguments.
	Violations []Violation
}

// Error gives the whole of it in one line.
func (e *Error) Error() string {
	var line strings.Builder
	fmt.Fprintf(&line, "socketgateway: %s: %s", e.Op, e.Message)
	for i, violation := range e.Violations {
		fmt.Fprintf(&line, "%s%s: %s", separator(i), violation.Field, violation.Description)
	}
	if e.Reason != "" {
		fmt.Fprintf(&line, " (%s)", string(e.Reason))
	} else {
		fmt.Fprintf(&line, " (%s)", e.Code)
	}
	return line.String()
}

// Is tells whether target is this error's Reason, or os.ErrDeadlineExceeded and this is a timeout.
func (e *Error) Is(target error) bool {
	if reason, ok := target.(Reason); ok {
		return e.Reason == reason
	}
	return target == os.ErrDeadlineExceeded && e.Timeout()
}

// Unwrap gives the operating system's error where there was one, so that errors.Is(err, syscall.ECONNREFUSED) works.
func (e *Error) Unwrap() error {
	if errno, ok := errnos[e.Metadata["errno"]]; ok {
		return errno
	}
	return nil
}

// Timeout tells whether it failed because it took too long; with Temporary it makes Error a net.Error.
func (e *Error) Timeout() bool { return e.Code == codes.DeadlineExceeded }

// Temporary tells whether trying again may help.
func (e *Error) Temporary() bool {
	return e.Timeout() || e.Code == codes.Unavailable || e.Code == codes.ResourceExhausted
}

// The errors of sockets that programs look for.
var errnos = map[string]syscall.Errno{
	"EACCES":        syscall.EACCES,
	"EADDRINUSE":    syscall.EADDRINUSE,
	"EADDRNOTAVAIL": syscall.EADDRNOTAVAIL,
	"ECONNABORTED":  syscall.ECONNABORTED,
	"ECONNREFUSED":  syscall.ECONNREFUSED,
	"ECONNRESET":    syscall.ECONNRESET,
	"EHOSTUNREACH":  syscall.EHOSTUNREACH,
	"EMFILE":        syscall.EMFILE,
	"EMSGSIZE":      syscall.EMSGSIZE,
	"ENETDOWN":      syscall.ENETDOWN,
	"ENETUNREACH":   syscall.ENETUNREACH,
	"EPERM":         syscall.EPERM,
	"EPIPE":         syscall.EPIPE,
	"ETIMEDOUT":     syscall.ETIMEDOUT,
}

// FromRPC makes the error of a failed call of the generated stubs what this package's own calls give: an [*Error], where the gateway
// said what was wrong. op says what was being done.
func FromRPC(op string, err error) error {
	if err == nil {
		return nil
	}
	return fromRPC(context.Background(), op, err)
}

// fromRPC makes the error of a failed call. Where the caller's context has ended, it is the context's.
func fromRPC(ctx context.Context, op string, err error) error {
	said := status.Convert(err)
	failed := &Error{Op: op, Code: said.Code(), Message: said.Message()}
	for _, detail := range said.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			failed.Reason, failed.Metadata = Reason(detail.GetReason()), detail.GetMetadata()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				failed.Violations = append(failed.Violations, Violation{violation.GetField(), violation.GetDescription()})
			}
		}
	}
	if failed.Reason == "" {
		if ended := context.Cause(ctx); ended != nil {
			return fmt.Errorf("socketgateway: %s: %w", op, ended)
		}
		// The gateway's clock may see the deadline first.
		if _, bounded := ctx.Deadline(); bounded && (failed.Code == codes.DeadlineExceeded || failed.Code == codes.Canceled) {
			return fmt.Errorf("socketgateway: %s: %w", op, context.DeadlineExceeded)
		}
	}
	return failed
}

// fromCommand makes the error of a command of the stream.
func fromCommand(op string, said *pb.CommandError) error {
	failed := &Error{
		Op:       op,
		Code:     codes.Code(said.GetGrpcCode()),
		Reason:   Reason(said.GetErrorCode()),
		Message:  said.GetErrorText(),
		Metadata: said.GetMetadata(),
	}
	for _, violation := range said.GetFieldViolations() {
		failed.Violations = append(failed.Violations, Violation{violation.GetField(), violation.GetDescription()})
	}
	return failed
}

// fromEnvelope makes the error that an envelope reports.
func fromEnvelope(envelope *pb.Envelope) *Error {
	code := codes.Aborted
	if envelope.GetErrorCode() == string(ErrTimeout) {
		code = codes.DeadlineExceeded
	}
	return &Error{
		Op:       "session",
		Code:     code,
		Reason:   Reason(envelope.GetErrorCode()),
		Message:  envelope.GetErrorText(),
		Metadata: envelope.GetErrorMetadata(),
	}
}

// endOf makes the error that a reader meets at the end of a session; nil at an orderly end.
func endOf(end End, last *Error) error {
	switch end.Reason {
	case PeerClosed, ByRequest:
		return nil
	}
	if last != nil && (end.Reason == Failed || end.Reason == PeerReset || end.Reason == TimedOut) {
		return last
	}
	return &Error{
		Op:       "session",
		Code:     codes.Aborted,
		Reason:   ErrSessionEnded,
		Message:  "the session has ended: " + end.Reason.sentence(),
		Metadata: map[string]string{"closeReason": string(end.Reason)},
	}
}

// hasReason tells whether err is an *Error of this reason.
func hasReason(err error, reason Reason) bool { return errors.Is(err, reason) }

func separator(i int) string {
	if i == 0 {
		return ": "
	}
	return "; "
}
