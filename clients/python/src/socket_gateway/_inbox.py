"""What has come for one session and was not read yet. No I/O.

The gateway keeps, and counts against the session's credit, whatever was not acknowledged; an inbox acknowledges what
its reader has taken, and nothing before. So it never holds more than the gateway lets one session have
(`limits.session_backlog_bytes`), and a reader that does not read stops its peer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Callable, Optional, Union

from . import errors, types
from ._gen.tcpip.v1 import envelope_pb2 as _envelope
from .types import Closed, CloseReason, Datagram, Event, EventKind, Match

#: Events that nobody reads: the oldest go.
EVENTS_KEPT = 256

#: What one data envelope brings: a chunk or a line that is no text, a line, a match, or a datagram.
Data = Union[bytes, str, Match, Datagram]


@dataclass
class Delivery:
    """One data envelope that was not read yet, or not to its end."""

    sequence: int
    size: int
    data: Data


class Inbox:
    """The unread data of one session, its events, and its end."""

    def __init__(self, session_id: str, ack: Callable[[str, int, int], None]) -> None:
        self.session_id = session_id
        self.data: deque[Delivery] = deque()
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        #: How it ended.
        self.closed: Optional[Closed] = None
        #: Why nothing more comes, where that is no end of the session's own.
        self.failure: Optional[errors.GatewayError] = None
        self.half_closed = False
        self.connected: Optional[_envelope.Connected] = None
        #: Whether somebody waits for the session: who opened it, or its listener.
        self.wanted = False
        #: The sequence it began with, while it waits to be accepted. Nothing of it is acknowledged in that time, so
        #: that a listener that nobody accepts from stops accepting (`limits.subscriber_events`).
        self.unaccepted_from: Optional[int] = None
        #: How many objects read it; and whether there was one, and is none any more.
        self.holders = 0
        self.abandoned = False
        #: Whether what comes is thrown away.
        self.released = False
        self._ack = ack
        self._last = 0
        self._last_error: Optional[errors.GatewayError] = None
        self._waiting: set[asyncio.Future[None]] = set()

    # What comes in.

    def take(self, envelope: _envelope.Envelope) -> None:
        """Takes the session's next envelope."""
        self._last = envelope.sequence
        if envelope.event == _envelope.EVENT_DATA:
            if not self.released:
                self.data.append(_delivery(envelope))
        else:
            self._take_event(envelope)
        if not self.unread:
            self._ack(self.session_id, self._last, 0)
        self.wake()

    def _take_event(self, envelope: _envelope.Envelope) -> None:
        kind = types.event_kind(envelope.event)
        error = errors.from_envelope(envelope) if envelope.status == _envelope.STATUS_ERROR else None
        if kind is EventKind.CONNECTED:
            self.connected = envelope.connected
        elif kind is EventKind.HALF_CLOSED:
            self.half_closed = True
        elif kind is EventKind.DISCONNECTED:
            end = envelope.disconnected
            reason = types.close_reason(end.reason)
            cause = self._last_error if reason in (CloseReason.ERROR, CloseReason.PEER_RESET) else None
            self.closed = Closed(reason, end.bytes_received, end.bytes_sent, cause)
        if error is not None:
            self._last_error = error
        self.events.append(Event(kind, types.event_time(envelope), error, self.closed))
        if self.closed is not None and self.abandoned:
            self.release()

    def fail(self, error: errors.GatewayError) -> None:
        """Nothing more will come."""
        if self.closed is None:
            self.failure = error
            self.closed = Closed(CloseReason.LOST, error=error)
        self._ack = _nobody
        self.wake()

    # What goes out.

    def pop(self, limit: Optional[int] = None) -> Data:
        """The oldest unread data, which must exist; of bytes at most `limit`, the rest stays."""
        first = self.data[0]
        if limit is not None and isinstance(first.data, bytes) and len(first.data) > limit:
            taken, first.data = first.data[:limit], first.data[limit:]
            return taken
        self.data.popleft()
        self._ack(self.session_id, self.read_up_to(), first.size)
        return first.data

    @property
    def unread(self) -> bool:
        """Whether something of it is not acknowledged."""
        return bool(self.data) or self.unaccepted_from is not None

    def read_up_to(self) -> int:
        """The sequence up to which everything was read."""
        if self.unaccepted_from is not None:
            return self.unaccepted_from - 1
        return self.data[0].sequence - 1 if self.data else self._last

    def waits_to_be_accepted(self, sequence: int) -> None:
        """Its listener has it, from this sequence on."""
        self.wanted = True
        self.unaccepted_from = sequence

    def accept(self) -> None:
        """Somebody has taken it from its listener."""
        self.unaccepted_from = None
        self._ack(self.session_id, self.read_up_to(), 0)

    def release(self) -> None:
        """Throws away what is unread and what still comes.

        Nobody will read it any more, and its peer must not wait for a reader.
        """
        self.released = True
        self.unaccepted_from = None
        self.data.clear()
        self._ack(self.session_id, self._last, 0)

    def hold(self) -> None:
        """One more object reads it."""
        self.holders += 1
        self.abandoned = False
        if self.unaccepted_from is not None:
            self.accept()

    def let_go(self) -> None:
        """One less. A live session may find another reader; of one that has ended nothing is kept for nobody."""
        self.holders -= 1
        self.abandoned = self.holders == 0
        if self.abandoned and self.closed is not None:
            self.release()

    @property
    def ended(self) -> bool:
        """Whether no data comes after what is unread."""
        return self.half_closed or self.closed is not None

    def end_of_data(self) -> None:
        """To be called where all is read and nothing more comes.

        Raises:
            GatewayError: the data were broken off. SessionEnded, or whatever made this client lose sight of the
                session.
        """
        if self.failure is not None:
            raise self.failure
        if self.closed is None or self.closed.orderly:
            return
        told = self.closed.error
        raise errors.SessionEnded(
            f"session {self.session_id} was broken off: {told or self.closed.reason.value.lower().replace('_', ' ')}",
            sessionId=self.session_id,
            closeReason=self.closed.reason.value,
        ) from told

    # Waiting.

    async def changed(self) -> None:
        """Waits for the next thing to happen."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def wake(self) -> None:
        """Wakes all who wait."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)


def _nobody(_key: str, _sequence: int, _size: int) -> None:
    """There is nobody to acknowledge anything to."""


def _delivery(envelope: _envelope.Envelope) -> Delivery:
    data = envelope.data
    kind = data.WhichOneof("payload")
    size = data.next_offset - data.offset
    if kind == "text":
        return Delivery(envelope.sequence, size, data.text)
    if kind == "match":
        captures, named = types.capture_values(data.match.captures)
        lines = tuple(types.line_text(line) for line in data.match.lines)
        return Delivery(envelope.sequence, size, Match(lines, types.line_text(data.match.match), captures, named))
    if kind == "flushed":
        lines = tuple(types.line_text(line) for line in data.flushed.lines)
        return Delivery(envelope.sequence, size, Match(lines, None, unfinished=data.flushed.last_unfinished))
    if kind == "datagram":
        datagram = data.datagram
        is_text = datagram.WhichOneof("payload") == "text"
        payload = datagram.text.encode() if is_text else datagram.bytes
        return Delivery(
            envelope.sequence,
            datagram.size,
            Datagram(payload, datagram.remote_host, datagram.remote_port, envelope.dropped_before, is_text),
        )
    return Delivery(envelope.sequence, size, data.bytes)
