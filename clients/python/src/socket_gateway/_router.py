"""Sorts the envelopes of one subscriber by session and listener, and collects what is to be acknowledged. No I/O."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Callable, Optional

from . import errors
from ._gen.tcpip.v1 import envelope_pb2 as _envelope
from ._gen.tcpip.v1 import socket_gateway_service_pb2 as _gateway
from ._inbox import Inbox

#: With so many bytes read and not acknowledged the acknowledgement goes out at once, else after a moment, together with
#: others.
URGENT_BYTES = 32 * 1024

#: How many sessions are kept for a listener that no object here takes them from: its object may be about to be made.
UNADOPTED_ARRIVALS = 1024

# What an envelope of a session that is unknown here may begin with, or go on with after a restart of this client.
# Others, errors of calls for example, name sessions that need not exist.
_BEGINS = frozenset(
    (
        _envelope.EVENT_CONNECTING,
        _envelope.EVENT_CONNECTED,
        _envelope.EVENT_LISTENING,
        _envelope.EVENT_DATA,
        _envelope.EVENT_HALF_CLOSED,
    )
)


class Arrivals:
    """The accepted sessions of one listener that nobody has taken yet."""

    def __init__(self) -> None:
        self.waiting: deque[Inbox] = deque()
        #: Whether there is an object that takes them.
        self.adopted = False
        self.closed = False
        self.failure: Optional[errors.GatewayError] = None
        self._waiting: set[asyncio.Future[None]] = set()

    def arrive(self, inbox: Inbox) -> None:
        """Another one."""
        self.waiting.append(inbox)
        if not self.adopted and len(self.waiting) > UNADOPTED_ARRIVALS:
            self.waiting.popleft().release()
        self.wake()

    def close(self, failure: Optional[errors.GatewayError] = None) -> None:
        """No more will come."""
        self.closed = True
        self.failure = self.failure or failure
        self.wake()

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


class Router:
    """All inboxes of one gateway object."""

    def __init__(self, acks_due: Callable[[bool], None]) -> None:
        self.inboxes: dict[str, Inbox] = {}
        self.arrivals: dict[str, Arrivals] = {}
        #: The sequence of the newest envelope that was taken.
        self.last_sequence = 0
        self._acks_due = acks_due
        self._acks: dict[str, int] = {}
        self._unacked_bytes = 0
        # Sessions that have ended, whose data are not read to their end.
        self._ended: set[Inbox] = set()

    def inbox(self, session_id: str) -> Inbox:
        """The live session's inbox; made where there is none."""
        inbox = self.inboxes.get(session_id)
        if inbox is None:
            inbox = self.inboxes[session_id] = Inbox(session_id, self.ack)
        return inbox

    def arrivals_at(self, listener_id: str) -> Arrivals:
        """The listener's arrivals; made where there are none.

        They may come before the answer that tells the listener.
        """
        return self.arrivals.setdefault(listener_id, Arrivals())

    def forget(self, inbox: Inbox) -> None:
        """The session never came to be."""
        if self.inboxes.get(inbox.session_id) is inbox:
            del self.inboxes[inbox.session_id]

    def take(self, envelope: _envelope.Envelope) -> None:
        """Takes the next envelope off the stream."""
        session_id = envelope.session_id
        key = session_id or envelope.listener_id
        if envelope.sequence <= self.last_sequence:
            # Delivered again after a resume, because its acknowledgement was lost on the way.
            holders = (inbox for inbox in self._holders(key) if inbox.unread)
            if not any(inbox.session_id == key and inbox.read_up_to() < envelope.sequence for inbox in holders):
                self.ack(key, envelope.sequence, 0)
            return
        self.last_sequence = envelope.sequence
        if not session_id:
            if envelope.event == _envelope.EVENT_CLOSED:
                self._unlisten(envelope.listener_id)
            self.ack(key, envelope.sequence, 0)
            return
        known = session_id in self.inboxes
        if not known and envelope.event not in _BEGINS:
            self.ack(key, envelope.sequence, 0)
            return
        inbox = self.inbox(session_id)
        arrives = envelope.event == _envelope.EVENT_CONNECTED and envelope.listener_id
        if arrives:
            inbox.waits_to_be_accepted(envelope.sequence)
        inbox.take(envelope)
        if arrives:
            self.arrivals_at(envelope.listener_id).arrive(inbox)
        if envelope.event == _envelope.EVENT_DISCONNECTED:
            del self.inboxes[session_id]
            if not inbox.holders and not inbox.wanted:
                inbox.release()
            if inbox.unread:
                self._ended.add(inbox)

    def _unlisten(self, listener_id: str) -> None:
        arrivals = self.arrivals.pop(listener_id, None)
        if arrivals is not None:
            arrivals.close()

    def _holders(self, session_id: str) -> list[Inbox]:
        live = self.inboxes.get(session_id)
        return [*self._ended, live] if live is not None else list(self._ended)

    def fail(self, error: errors.GatewayError) -> None:
        """What there was is gone; a stream begins anew."""
        for inbox in list(self.inboxes.values()):
            inbox.fail(error)
        for arrivals in self.arrivals.values():
            arrivals.close(error)
        self.inboxes.clear()
        self.arrivals.clear()
        self._ended.clear()
        self._acks.clear()
        self.last_sequence = 0

    # Acknowledgements.

    def ack(self, key: str, sequence: int, size: int) -> None:
        """Everything up to this sequence was read, `size` more bytes now.

        Everything of the session or listener `key`; where that is empty, of none.
        """
        if sequence <= self._acks.get(key, -1) or sequence > self.last_sequence:
            return
        self._acks[key] = sequence
        self._unacked_bytes += size
        self._acks_due(self._unacked_bytes >= URGENT_BYTES)

    def acks(self) -> Optional[_gateway.Ack]:
        """What is to be acknowledged now; None where there is nothing."""
        if not self._acks:
            return None
        due = [_gateway.SessionAck(session_id=key, sequence=sequence) for key, sequence in self._acks.items()]
        self._acks.clear()
        self._unacked_bytes = 0
        self._ended = {inbox for inbox in self._ended if inbox.unread}
        return _gateway.Ack(sessions=due)

    def resume_after(self) -> int:
        """The sequence up to which everything was read, of every session.

        What is delivered again after it is recognized.
        """
        unread = [inbox for inbox in (*self.inboxes.values(), *self._ended) if inbox.unread]
        return min([self.last_sequence, *(inbox.read_up_to() for inbox in unread)])

    def ack_again(self) -> None:
        """After a resume: the acknowledgements that may have been lost."""
        for inbox in (*self.inboxes.values(), *self._ended):
            self.ack(inbox.session_id, inbox.read_up_to(), 0)
