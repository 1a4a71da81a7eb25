"""A session: one TCP connection of the gateway."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any, Optional, Union

import grpc

from .. import _requests, errors, types
from .._gen.tcpip.v1 import session_service_pb2 as _sessions
from .._gen.tcpip.v1 import socket_gateway_service_pb2 as _gateway
from .._inbox import Data, Inbox
from .._requests import LineEnd, Mode, Unanswered
from ..types import Answer, Item, Match, Sent
from ._connection import Connection
from ._endpoint import Endpoint, UntilNone

#: What `write` sends at once.
PIECE = 64 * 1024


class Session(Endpoint):
    """One TCP connection of the gateway.

    Opened with `Gateway.connect`, accepted by a `Listener`, or found by `Gateway.session`. Reading is with `lines`,
    `chunks` or `matches`; what was not read waits, here and in the gateway up to a bound, and then the peer waits. One
    task may read while others send.

    Used in ``async with`` the session is closed at the end of the block.
    """

    def __init__(
        self, connection: Connection, inbox: Inbox, mode: Mode, end: Optional[LineEnd], write_offset: int = 0
    ) -> None:
        super().__init__(connection, inbox)
        self._mode: Mode = mode
        self._end: LineEnd = end if end is not None else ("\n" if mode == "line" else "")
        self._write_offset: Optional[int] = write_offset
        self._sending = 0
        #: Lines of a match that `readline` has begun to give.
        self._lines_left: deque[str] = deque()

    @property
    def mode(self) -> Mode:
        """How its inbound bytes are delivered."""
        return self._mode

    @property
    def peer(self) -> Optional[tuple[str, int]]:
        """The peer's address and port; None while connecting."""
        ends = self._inbox.connected
        return None if ends is None else (ends.remote_host, ends.remote_port)

    @property
    def local(self) -> Optional[tuple[str, int]]:
        """The gateway's address and port on this connection; None while connecting."""
        ends = self._inbox.connected
        return None if ends is None else (ends.local_host, ends.local_port)

    def __repr__(self) -> str:
        state = "open" if self.closed is None else self.closed.reason.value
        return f"<Session {self.id} peer={self.peer} {state}>"

    # Sending.

    async def send(
        self,
        *items: Item,
        end: Optional[LineEnd] = None,
        wait_for: Optional[str] = None,
        timeout: Optional[float] = None,
        claim: bool = True,
        expected_write_offset: Optional[int] = None,
    ) -> Sent:
        """Sends items, in order and each as a whole; returns when the gateway's operating system has taken all of them.

        Args:
            items: Text (UTF-8) or bytes.
            end: What follows each text item; None: what was said when the session was opened.
            wait_for: Line mode: the pattern for what comes from now on; None: as before; empty: none any more.
            timeout: A new inactivity timeout of the session in seconds, which stays; 0: none.
            claim: Whether the session's data come here from now on.
            expected_write_offset: Send only if so many bytes were sent on the session before.

        Raises:
            GatewayError: SessionNotFound, SessionNotConnected, SocketNotConnected, PayloadInvalid, WaitForInvalid,
                WriteOffsetMismatch, LimitReached; Unavailable where the gateway was lost and it is not known whether it
                was sent.
        """
        end = self._end if end is None else end
        request = _gateway.TcpSendRequest(
            session_id=self.id,
            payload=_requests.payload(items, end),
            line_terminator=_requests.terminator(end),
            subscriber=self._connection.subscriber if claim else "",
            wait_for=wait_for,
            timeout=_requests.duration(timeout),
            expected_write_offset=expected_write_offset,
        )
        # Only a send that is alone knows where it begins.
        before = self._write_offset if self._sending == 0 else None
        self._sending += 1
        try:
            sent = await self._send(request, before)
        finally:
            self._sending -= 1
        if self._write_offset is not None:
            self._write_offset = max(self._write_offset, sent.write_offset)
        return sent

    async def _send(self, request: _gateway.TcpSendRequest, before: Optional[int]) -> Sent:
        connection = self._connection
        lost: Optional[errors.GatewayError] = None
        while True:
            try:
                done = await connection.call(connection.gateway.TcpSend, request)
                return Sent(done.message_id, done.chunk_count, done.write_offset)
            except errors.WriteOffsetMismatch as error:
                if lost is None or before is None:
                    raise
                after = before + _size(request)
                if error.write_offset == after:
                    # The send whose answer was lost was written.
                    return Sent("", len(request.payload), after)
                raise errors.Unavailable(
                    f"it is not known whether the send went out, because its answer was lost: {lost}"
                ) from error
            except errors.GatewayError as error:
                if error.code is not grpc.StatusCode.UNAVAILABLE or error.reason or self.closed is not None:
                    raise
                if before is None or lost is not None:
                    raise errors.Unavailable(f"it is not known whether the send went out: {error}") from error
                # Once more, but only from where this send began.
                lost = error
                request.expected_write_offset = before
                await asyncio.sleep(0.05)

    async def write(self, data: Union[bytes, bytearray, memoryview]) -> None:
        """Sends any number of bytes, in pieces, as a stream.

        Raises:
            GatewayError: as `send`; what came before the piece that failed was sent.
        """
        view = memoryview(data)
        for start in range(0, len(view), PIECE):
            await self.send(view[start : start + PIECE])

    async def exchange(
        self,
        *items: Item,
        wait_for: Optional[str] = None,
        timeout: Optional[float] = None,
        end: Optional[LineEnd] = None,
        on_unanswered: Unanswered = "settle",
        settle_timeout: Optional[float] = None,
    ) -> Answer:
        """Sends a request and gives its answer. Callers of one session take turns, and never get each other's answers.

        Args:
            items: What to send; nothing: wait for what the peer says by itself.
            wait_for: A pattern that the answer ends with (line mode). None: one line, or what one read brings.
            timeout: Seconds for all of it, the wait for the turn included; None: the gateway's default (30 s).
            end: As in `send`.
            on_unanswered: What happens to the session without an answer: ``"settle"`` waits for the late answer before
                the next turn, ``"abort"`` ends the session.
            settle_timeout: How long ``"settle"`` waits; None: the gateway's default (10 s).

        Raises:
            GatewayError: GatewayTimeout, SessionEnded, FrameTooLong, LimitReached and those of `send`.
        """
        end = self._end if end is None else end
        connection = self._connection
        request = _gateway.TcpExchangeRequest(
            session_id=self.id,
            payload=_requests.payload(items, end),
            line_terminator=_requests.terminator(end),
            wait_for=wait_for or "",
            timeout=_requests.duration(timeout),
            on_unanswered=_requests.unanswered(on_unanswered),
            settle_timeout=_requests.duration(settle_timeout),
            subscriber=connection.subscriber,
        )
        self._sending += 1
        try:
            answer = types.answer(await connection.call(connection.gateway.TcpExchange, request))
        except errors.GatewayError:
            # It may have been written or not.
            self._write_offset = None
            raise
        finally:
            self._sending -= 1
        if self._write_offset is not None:
            self._write_offset = max(self._write_offset, answer.write_offset)
        return answer

    async def claim(self, wait_for: Optional[str] = None) -> str:
        """Makes the session's data come here, without a send; returns the subscriber that had them before."""
        connection = self._connection
        request = _sessions.ClaimDataRequest(session_id=self.id, subscriber=connection.subscriber, wait_for=wait_for)
        response = await connection.call(connection.sessions.ClaimData, request)
        previous: str = response.previous_subscriber
        return previous

    # Reading.

    def lines(self, timeout: Optional[float] = None) -> AsyncIterator[str]:
        """The lines, without their ends, until the peer ends; of a session with `wait_for` those that were collected,
        too.

        Args:
            timeout: How many seconds each line may take.

        Raises:
            GatewayError: the lines were broken off: SessionEnded, InstanceChanged …
            TimeoutError: no line came in time.
        """
        return UntilNone(lambda: self.readline(timeout))

    async def readline(self, timeout: Optional[float] = None) -> Optional[str]:
        """The next line, without its end; None at the end.

        Raises:
            GatewayError, TimeoutError: as with `lines`.
        """
        self._needs("line", "reading lines")
        while not self._lines_left:
            data = await self._take(timeout)
            if data is None:
                return None
            self._lines_left.extend(data_lines(data))
        return self._lines_left.popleft()

    def matches(self, timeout: Optional[float] = None) -> AsyncIterator[Match]:
        """What the pattern of `wait_for` found, until the peer ends. A line that came without a pattern is a match of
        itself.

        Raises:
            GatewayError, TimeoutError: as with `lines`.
        """
        return UntilNone(lambda: self.read_match(timeout))

    async def read_match(self, timeout: Optional[float] = None) -> Optional[Match]:
        """The next match; None at the end.

        Raises:
            GatewayError, TimeoutError: as with `lines`.
        """
        self._needs("line", "reading matches")
        data = await self._take(timeout)
        return None if data is None else data_match(data)

    def chunks(self, timeout: Optional[float] = None) -> AsyncIterator[bytes]:
        """The bytes as they come, until the peer ends.

        Raises:
            GatewayError, TimeoutError: as with `lines`.
        """

        async def chunk() -> Optional[bytes]:
            return await self.read(timeout=timeout) or None

        return UntilNone(chunk)

    async def read(self, limit: int = -1, timeout: Optional[float] = None) -> bytes:
        """The next bytes, at most `limit` where it is not negative; none at the end.

        Raises:
            GatewayError, TimeoutError: as with `lines`.
        """
        self._needs("binary", "reading bytes")
        if limit == 0:
            return b""
        data = await self._take(timeout, limit if limit > 0 else None)
        return data if isinstance(data, bytes) else b""

    async def read_exactly(self, size: int, timeout: Optional[float] = None) -> bytes:
        """So many bytes, each piece of them in time.

        Raises:
            EOFError: the peer ended before.
            GatewayError, TimeoutError: as with `lines`.
        """
        read = bytearray()
        while len(read) < size:
            piece = await self.read(size - len(read), timeout)
            if not piece:
                raise EOFError(f"the peer ended after {len(read)} of {size} bytes")
            read += piece
        return bytes(read)

    def _needs(self, mode: Mode, what: str) -> None:
        if self._mode != mode:
            raise ValueError(f'{what} needs a session with mode="{mode}"; this one has "{self._mode}"')

    async def abort(self) -> None:
        """Resets the connection at once; what was not read or not written is thrown away."""
        self._inbox.release()
        await self._disconnect(abort=True)


def data_lines(data: Data) -> Iterable[str]:
    """The lines of a delivery."""
    if isinstance(data, Match):
        return data.lines if data.match is None else (*data.lines, data.match)
    return (_line(data),)


def data_match(data: Data) -> Match:
    """A delivery as a match."""
    return data if isinstance(data, Match) else Match((), _line(data))


def _line(data: Any) -> str:
    return types.decode(data) if isinstance(data, bytes) else data


def _size(request: _gateway.TcpSendRequest) -> int:
    ends = {
        _gateway.LINE_TERMINATOR_LF: 1,
        _gateway.LINE_TERMINATOR_CRLF: 2,
        _gateway.LINE_TERMINATOR_CR: 1,
    }
    end = ends.get(request.line_terminator, 0)
    return sum(
        len(item.bytes) if item.WhichOneof("item") == "bytes" else len(item.text.encode()) + end
        for item in request.payload
    )
