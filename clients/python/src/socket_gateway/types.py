"""What callers get and give: plain, immutable values, the same for both APIs.

Lines are `str`. What of a line is no UTF-8 is kept as Python keeps undecodable file names (the error handler
``surrogateescape``), so nothing is lost: ``line.encode("utf-8", "surrogateescape")`` gives the very bytes that came;
`encode` does that.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Optional, Union

from ._gen.tcpip.v1 import envelope_pb2 as _envelope
from ._gen.tcpip.v1 import socket_gateway_service_pb2 as _gateway

if TYPE_CHECKING:
    from .errors import GatewayError

#: What can be sent as one item: text (encoded as UTF-8, followed by the line end asked for) or bytes (sent as they
#: are).
Item = Union[str, bytes, bytearray, memoryview]


def encode(line: str) -> bytes:
    """The very bytes that a line came as."""
    return line.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """Bytes as a line: what is no UTF-8 is kept, see `encode`."""
    return data.decode("utf-8", "surrogateescape")


class CloseReason(enum.Enum):
    """Why a session ended."""

    #: Not told, or unknown to this version.
    UNKNOWN = "UNKNOWN"
    #: The peer ended the connection.
    PEER_CLOSED = "PEER_CLOSED"
    #: The peer reset the connection: what it sent last may be missing.
    PEER_RESET = "PEER_RESET"
    #: Somebody asked for it: `disconnect`, or a listener closed with its sessions.
    BY_REQUEST = "BY_REQUEST"
    #: It was inactive for its timeout.
    TIMEOUT = "TIMEOUT"
    #: Somebody asked for it: `abort`, or gave up a connect.
    ABORT = "ABORT"
    #: Nobody was attached and nobody touched it for the orphan timeout.
    ORPHANED = "ORPHANED"
    #: The gateway shut down.
    SHUTDOWN = "SHUTDOWN"
    #: Its place was taken by another.
    REPLACED = "REPLACED"
    #: An error: connecting failed, the socket failed, or a limit such as the line length was broken.
    ERROR = "ERROR"
    #: This client lost sight of it: the gateway was restarted, or the gateway object was closed.
    LOST = "LOST"

    @classmethod
    def named(cls, name: str) -> CloseReason:
        """The reason of this name, upper or lower case, with or without the proto's prefix."""
        bare = name.upper().removeprefix("CLOSE_REASON_")
        return cls.__members__.get(bare, cls.UNKNOWN)


@dataclass(frozen=True)
class Closed:
    """How a session ended."""

    reason: CloseReason
    #: Bytes that came from the peer.
    bytes_received: int = 0
    #: Bytes that the gateway's operating system took for the peer.
    bytes_sent: int = 0
    #: The error that ended it, where one did.
    error: Optional[GatewayError] = None

    @property
    def orderly(self) -> bool:
        """Whether one of the two ends asked for it, so that what was read is all there was."""
        return self.reason in (CloseReason.PEER_CLOSED, CloseReason.BY_REQUEST, CloseReason.ABORT)


class EventKind(enum.Enum):
    """What happened to a session, a listener or a socket."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LISTENING = "listening"
    SENT = "sent"
    DISCONNECTING = "disconnecting"
    DISCONNECTED = "disconnected"
    CLOSED = "closed"
    TIMEOUT = "timeout"
    ERROR = "error"
    HALF_CLOSED = "half_closed"
    #: Unknown to this version.
    OTHER = "other"


@dataclass(frozen=True)
class Event:
    """Something that happened, other than data."""

    kind: EventKind
    time: datetime
    #: What went wrong, with `EventKind.ERROR` and `EventKind.TIMEOUT`.
    error: Optional[GatewayError] = None
    #: How it ended, with `EventKind.DISCONNECTED`.
    closed: Optional[Closed] = None


@dataclass(frozen=True)
class Match:
    """Lines that were collected until a pattern matched, and what matched."""

    #: The lines before the match, oldest first.
    lines: tuple[str, ...]
    #: The line, or the unfinished rest of one, that matched. None: the lines were handed over without a match (see
    #: `flushed`).
    match: Optional[str]
    #: The pattern's capture groups in order; None for one that took no part. The whole match is not among them.
    captures: tuple[Optional[str], ...] = ()
    #: The named ones of them.
    named: Mapping[str, Optional[str]] = field(default_factory=dict)
    #: Flushed: the last line has no line end, because the session ended in the middle of it.
    unfinished: bool = False

    @property
    def flushed(self) -> bool:
        """Whether the lines came without a match: the claim moved, a limit was reached or the session ended."""
        return self.match is None


class AnswerEnd(enum.Enum):
    """What completed an exchange."""

    MATCH = "match"
    FRAME = "frame"
    PEER_CLOSED = "peer_closed"


@dataclass(frozen=True)
class Answer:
    """The answer of an exchange."""

    #: What completed it.
    end: AnswerEnd
    #: What arrived (lines, or in binary mode what a read brought), with `wait_for` before the match.
    frames: tuple[str, ...]
    #: The line, or the unfinished rest of one, that matched `wait_for`; None where there is none.
    match: Optional[str]
    #: As in `Match`.
    captures: tuple[Optional[str], ...]
    #: As in `Match`.
    named: Mapping[str, Optional[str]]
    #: The position in the outbound byte stream after the request.
    write_offset: int
    #: The position in the inbound byte stream after the answer.
    read_offset: int

    @property
    def text(self) -> str:
        """The frames and the match, one under the other."""
        return "\n".join(self.frames if self.match is None else (*self.frames, self.match))

    @property
    def data(self) -> bytes:
        """The frames' bytes in a row: the answer of a session in binary mode."""
        return b"".join(encode(frame) for frame in self.frames)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Sent:
    """What the gateway's operating system took. It does not say that the peer has it."""

    message_id: str
    #: How many items were written.
    items: int
    #: The position in the outbound byte stream after this send.
    write_offset: int


@dataclass(frozen=True)
class DatagramSent:
    """One datagram that the gateway's operating system took."""

    message_id: str
    host: str
    port: int
    size: int


@dataclass(frozen=True)
class Datagram:
    """One datagram and its sender."""

    data: bytes
    #: The sender's address.
    host: str
    #: The sender's port.
    port: int
    #: How many datagrams were dropped just before this one, because nobody read fast enough.
    dropped_before: int = 0
    #: Whether it was delivered as text: the socket is in utf8 mode and this is UTF-8.
    is_text: bool = False

    @property
    def text(self) -> str:
        """The payload as text; what is no UTF-8 is kept, see `encode`."""
        return decode(self.data)

    @property
    def address(self) -> tuple[str, int]:
        """The sender, as the socket module writes addresses."""
        return (self.host, self.port)


@dataclass(frozen=True)
class Group:
    """A multicast group to join."""

    address: str
    #: The interface to join on: its name, or for IPv4 its address. Empty: the system chooses.
    interface: str = ""


def line_text(line: _envelope.Line) -> str:
    """A line of the wire as callers see it."""
    return decode(line.bytes) if line.WhichOneof("content") == "bytes" else line.text


def capture_values(captures: object) -> tuple[tuple[Optional[str], ...], dict[str, Optional[str]]]:
    """The captures in order, and those with names."""
    values: list[Optional[str]] = []
    named: dict[str, Optional[str]] = {}
    for capture in captures:  # type: ignore[attr-defined]
        value = line_text(capture.value) if capture.participated else None
        values.append(value)
        if capture.name:
            named[capture.name] = value
    return tuple(values), named


def answer(response: _gateway.TcpExchangeResponse) -> Answer:
    """An exchange's answer off the wire."""
    ends = {
        _gateway.EXCHANGE_END_MATCH: AnswerEnd.MATCH,
        _gateway.EXCHANGE_END_PEER_CLOSED: AnswerEnd.PEER_CLOSED,
    }
    captures, named = capture_values(response.captures)
    return Answer(
        end=ends.get(response.end, AnswerEnd.FRAME),
        frames=tuple(line_text(frame) for frame in response.frames),
        match=line_text(response.match) if response.HasField("match") else None,
        captures=captures,
        named=named,
        write_offset=response.write_offset,
        read_offset=response.read_offset,
    )


def event_kind(event: int) -> EventKind:
    """An event's kind off the wire."""
    name = _envelope.Event.Name(event) if event in _envelope.Event.values() else ""  # type: ignore[arg-type]
    return EventKind.__members__.get(name.removeprefix("EVENT_"), EventKind.OTHER)


def close_reason(reason: int) -> CloseReason:
    """A close reason off the wire."""
    known = reason in _envelope.CloseReason.values()
    return CloseReason.named(_envelope.CloseReason.Name(reason)) if known else CloseReason.UNKNOWN  # type: ignore[arg-type]


def event_time(envelope: _envelope.Envelope) -> datetime:
    """When the gateway emitted it, in UTC."""
    return envelope.timestamp.ToDatetime(tzinfo=timezone.utc)
