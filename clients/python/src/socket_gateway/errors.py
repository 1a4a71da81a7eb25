"""What goes wrong, as exceptions: one class for each reason of the gateway, all of them a `GatewayError`.

try:
    session = gateway.connect("10.0.0.7", 9100)
except ConnectFailed as error:
    print(error.errno)          # "ECONNREFUSED"
except GatewayError as error:
    print(error.reason, error)  # the reason's name, and a sentence for people
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import grpc
from google.rpc import error_details_pb2, status_pb2

from ._gen.tcpip.v1 import envelope_pb2 as _envelope
from .types import CloseReason

#: Where the gateway's own errors carry their details.
_DETAILS = "grpc-status-details-bin"
_DOMAIN = "socket-gateway"


@dataclass(frozen=True)
class Violation:
    """One bad field of a request."""

    field: str
    description: str


class GatewayError(Exception):
    """Something that the gateway refused or that failed there.

    Each reason has a subclass; a reason that this version does not know yet is a plain `GatewayError`.
    """

    #: The gRPC status code. For an error told by an event, the one that a failed call would carry.
    code: grpc.StatusCode
    #: The reason's name, for example ``"SESSION_NOT_FOUND"``; empty where the error came from somewhere before the
    #: gateway.
    reason: str
    #: A sentence for people.
    message: str
    #: What it is about: ``sessionId``, ``host``, ``errno``, ``limit``, …
    metadata: Mapping[str, str]
    #: Every bad field of the request, where it was the request.
    violations: Sequence[Violation]

    _reason = ""
    _code = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str = "",
        *,
        reason: Optional[str] = None,
        code: Optional[grpc.StatusCode] = None,
        metadata: Optional[Mapping[str, str]] = None,
        violations: Sequence[Violation] = (),
        **more: str,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = self._reason if reason is None else reason
        self.code = self._code if code is None else code
        self.metadata = {**(metadata or {}), **more}
        self.violations = tuple(violations)

    @property
    def session_id(self) -> Optional[str]:
        """The session concerned, where there is one."""
        return self.metadata.get("sessionId")

    @property
    def errno(self) -> Optional[str]:
        """What the gateway's operating system said, for example ``"ECONNREFUSED"``; None where it was not asked."""
        return self.metadata.get("errno")

    def __str__(self) -> str:
        said = self.message or self.reason or self.code.name
        if self.violations:
            said += " (" + "; ".join(f"{bad.field}: {bad.description}" for bad in self.violations) + ")"
        return said

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, reason={self.reason!r}, metadata={dict(self.metadata)!r})"


class ConnectInvalid(GatewayError):
    """Host or port missing or senseless, or another field of a connect out of its bounds; see `violations`."""

    _reason, _code = "CONNECT_INVALID", grpc.StatusCode.INVALID_ARGUMENT


class SessionIdConflict(GatewayError):
    """The session id asked for is in use."""

    _reason, _code = "SESSION_ID_CONFLICT", grpc.StatusCode.ALREADY_EXISTS


class ConnectFailed(GatewayError):
    """The peer refused, is unreachable, was not found or did not answer in time; `errno` tells which."""

    _reason, _code = "CONNECT_FAILED", grpc.StatusCode.FAILED_PRECONDITION


class ListenInvalid(GatewayError):
    """A field of a listen or a UDP bind is missing or out of its bounds; see `violations`."""

    _reason, _code = "LISTEN_INVALID", grpc.StatusCode.INVALID_ARGUMENT


class ServerError(GatewayError):
    """The gateway's operating system refused to bind the listener; `errno` tells why (EADDRINUSE, EACCES …)."""

    _reason, _code = "SERVER_ERROR", grpc.StatusCode.FAILED_PRECONDITION


class SessionNotFound(GatewayError):
    """No session has this id: it never existed or has ended."""

    _reason, _code = "SESSION_NOT_FOUND", grpc.StatusCode.NOT_FOUND


class ListenerNotFound(GatewayError):
    """No listener has this id."""

    _reason, _code = "LISTENER_NOT_FOUND", grpc.StatusCode.NOT_FOUND


class SessionNotConnected(GatewayError):
    """The session exists but is connecting or disconnecting, or is a UDP socket."""

    _reason, _code = "SESSION_NOT_CONNECTED", grpc.StatusCode.FAILED_PRECONDITION


class SocketNotConnected(GatewayError):
    """The socket died under the write. `items_written` went out whole."""

    _reason, _code = "SOCKET_NOT_CONNECTED", grpc.StatusCode.ABORTED

    @property
    def items_written(self) -> int:
        """How many items of the send went out whole."""
        return int(self.metadata.get("itemsWritten", "0"))


class PayloadInvalid(GatewayError):
    """No item, an empty item where that has no meaning, too many items, or too many bytes."""

    _reason, _code = "PAYLOAD_INVALID", grpc.StatusCode.INVALID_ARGUMENT


class WaitForInvalid(GatewayError):
    """The pattern does not compile or is too large, or the session is not in line mode."""

    _reason, _code = "WAIT_FOR_INVALID", grpc.StatusCode.INVALID_ARGUMENT


class SendInvalid(GatewayError):
    """Host or port of a datagram missing or senseless, or another of its fields; see `violations`."""

    _reason, _code = "SEND_INVALID", grpc.StatusCode.INVALID_ARGUMENT


class UdpSendFailed(GatewayError):
    """The datagram could not be sent; `errno` tells why."""

    _reason, _code = "UDP_SEND_FAILED", grpc.StatusCode.FAILED_PRECONDITION


class UdpError(GatewayError):
    """A UDP socket could not be bound or join its groups, or reported an error; `errno` tells which."""

    _reason, _code = "UDP_ERROR", grpc.StatusCode.FAILED_PRECONDITION


class GatewayTimeout(GatewayError):
    """No answer within the time of an exchange, or no traffic within the inactivity timeout of a session."""

    _reason, _code = "TIMEOUT", grpc.StatusCode.DEADLINE_EXCEEDED


class TransportError(GatewayError):
    """The session's socket reported an error; `errno` tells which."""

    _reason, _code = "TRANSPORT_ERROR", grpc.StatusCode.ABORTED


class FrameTooLong(GatewayError):
    """A line is longer than the gateway's line limit. The session ends."""

    _reason, _code = "FRAME_TOO_LONG", grpc.StatusCode.RESOURCE_EXHAUSTED


class LimitReached(GatewayError):
    """A configured limit of the gateway was reached: `limit` names the setting."""

    _reason, _code = "LIMIT_REACHED", grpc.StatusCode.RESOURCE_EXHAUSTED

    @property
    def limit(self) -> Optional[str]:
        """The setting's name."""
        return self.metadata.get("limit")


class PolicyDenied(GatewayError):
    """The gateway's policy does not let this caller go there; `rule` names the rule that said so."""

    _reason, _code = "POLICY_DENIED", grpc.StatusCode.PERMISSION_DENIED

    @property
    def rule(self) -> Optional[str]:
        """The rule's name."""
        return self.metadata.get("rule")


class WriteOffsetMismatch(GatewayError):
    """The stream does not stand where the send expected it. Nothing was written."""

    _reason, _code = "WRITE_OFFSET_MISMATCH", grpc.StatusCode.FAILED_PRECONDITION

    @property
    def write_offset(self) -> Optional[int]:
        """Where it stands."""
        said = self.metadata.get("writeOffset")
        return None if said is None else int(said)


class RequestInvalid(GatewayError):
    """A field of any other request is out of its bounds; see `violations`."""

    _reason, _code = "REQUEST_INVALID", grpc.StatusCode.INVALID_ARGUMENT


class InstanceChanged(GatewayError):
    """The gateway was restarted: the sessions, listeners and sockets of its life before are gone."""

    _reason, _code = "INSTANCE_CHANGED", grpc.StatusCode.FAILED_PRECONDITION


class EpochChanged(GatewayError):
    """The subscriber was removed while this client was away: what it would have got in that time is lost."""

    _reason, _code = "EPOCH_CHANGED", grpc.StatusCode.FAILED_PRECONDITION


class StreamGap(GatewayError):
    """Envelopes are missing after a resume. With this client's acknowledged stream that does not happen unless another
    client
    acknowledged them under the same subscriber name."""

    _reason, _code = "STREAM_GAP", grpc.StatusCode.DATA_LOSS


class StreamStalled(GatewayError):
    """The gateway ended a stream that read nothing for too long."""

    _reason, _code = "STREAM_STALLED", grpc.StatusCode.RESOURCE_EXHAUSTED


class ShuttingDown(GatewayError):
    """The gateway is shutting down."""

    _reason, _code = "SHUTTING_DOWN", grpc.StatusCode.UNAVAILABLE


class SessionEnded(GatewayError):
    """The session ended before what was asked was complete; `close_reason` tells why."""

    _reason, _code = "SESSION_ENDED", grpc.StatusCode.ABORTED

    @property
    def close_reason(self) -> CloseReason:
        """Why it ended."""
        return CloseReason.named(self.metadata.get("closeReason", ""))


class InternalError(GatewayError):
    """A broken invariant of the gateway; please report it."""

    _reason, _code = "INTERNAL", grpc.StatusCode.INTERNAL


class Unauthenticated(GatewayError):
    """The gateway wants to know who calls: the token (or certificate) is missing or wrong."""

    _reason, _code = "UNAUTHENTICATED", grpc.StatusCode.UNAUTHENTICATED


class RoleDenied(GatewayError):
    """The caller's role does not allow the call, or not in this namespace."""

    _reason, _code = "ROLE_DENIED", grpc.StatusCode.PERMISSION_DENIED


class Unavailable(GatewayError):
    """The gateway cannot be reached, or was lost in the middle of a call that must not be repeated."""

    _reason, _code = "", grpc.StatusCode.UNAVAILABLE


class GatewayClosed(GatewayError):
    """This gateway object was closed."""

    _reason, _code = "", grpc.StatusCode.CANCELLED


def _subclasses() -> dict[str, type[GatewayError]]:
    return {kind._reason: kind for kind in GatewayError.__subclasses__() if kind._reason}


_BY_REASON = _subclasses()
_BY_CODE: dict[grpc.StatusCode, type[GatewayError]] = {
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: GatewayTimeout,
}


def from_call(error: grpc.RpcError) -> GatewayError:
    """The typed error of a failed call (of either of grpc's two APIs)."""
    # Both APIs' errors have these three, though grpc.RpcError does not say so.
    call: Any = error
    code: grpc.StatusCode = call.code()
    said: str = call.details() or ""
    info: Optional[error_details_pb2.ErrorInfo] = None
    violations: list[Violation] = []
    for detail in _details(call.trailing_metadata()):
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            violations += [Violation(field.field, field.description) for field in bad.field_violations]
    if info is not None and info.domain == _DOMAIN:
        kind = _BY_REASON.get(info.reason, GatewayError)
        return kind(said, reason=info.reason, code=code, metadata=dict(info.metadata), violations=violations)
    return _BY_CODE.get(code, GatewayError)(said, reason="", code=code)


def from_envelope(envelope: _envelope.Envelope) -> GatewayError:
    """The typed error that an error event tells."""
    kind = _BY_REASON.get(envelope.error_code, GatewayError)
    return kind(envelope.error_text, reason=envelope.error_code, metadata=dict(envelope.error_metadata))


def _details(trailing: Any) -> list[Any]:
    for key, value in trailing or ():
        if key == _DETAILS:
            return list(status_pb2.Status.FromString(value).details)
    return []
