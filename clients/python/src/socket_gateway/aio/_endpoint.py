"""What sessions and UDP sockets have in common: an inbox to read, events, and an end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from types import TracebackType
from typing import Callable, Generic, Optional, TypeVar

from typing_extensions import Self

from .. import errors
from .._gen.tcpip.v1 import socket_gateway_service_pb2 as _gateway
from .._inbox import Data, Inbox
from ..types import Closed, Event
from ._connection import Connection, until

#: How long `close` waits for the end: longer than the gateway waits for the peer (`limits.close_timeout`).
CLOSE_PATIENCE = 15.0

T = TypeVar("T")


class UntilNone(AsyncIterator[T], Generic[T]):
    """Iterates over what a call gives until it gives None. Unlike a generator it survives a cancelled step."""

    def __init__(self, step: Callable[[], Awaitable[Optional[T]]]) -> None:
        self._step = step

    async def __anext__(self) -> T:
        item = await self._step()
        if item is None:
            raise StopAsyncIteration
        return item


class Endpoint:
    """One socket of the gateway: what is read from it, what happens to it, and its end.

    Used in ``async with`` it is closed at the end of the block.
    """

    def __init__(self, connection: Connection, inbox: Inbox) -> None:
        self._connection = connection
        self._inbox = inbox
        connection.release_with(self, inbox)

    @property
    def id(self) -> str:
        """The session's id."""
        return self._inbox.session_id

    @property
    def closed(self) -> Optional[Closed]:
        """How it ended; None while it lives. What came before the end can still be read."""
        return self._inbox.closed

    async def _take(self, timeout: Optional[float], limit: Optional[int] = None) -> Optional[Data]:
        if not await self._arrived(timeout):
            return None
        return self._inbox.pop(limit)

    async def _arrived(self, timeout: Optional[float] = None) -> bool:
        """Waits for something to read; False at the end."""
        inbox = self._inbox
        if timeout is None:
            while not inbox.data and not inbox.ended:
                await inbox.changed()
        elif not inbox.data and not inbox.ended:
            await until(self._arrived(), timeout, f"nothing came on session {self.id}")
        if inbox.data:
            return True
        inbox.end_of_data()
        return False

    async def _peek(self, skip: int, timeout: Optional[float]) -> list[Data]:
        """Takes `skip` deliveries, then gives all that wait without taking them; waits for one; none at the end."""
        self._skip(skip)
        if not await self._arrived(timeout):
            return []
        return [delivery.data for delivery in self._inbox.data]

    def _skip(self, count: int) -> None:
        for _ in range(min(count, len(self._inbox.data))):
            self._inbox.pop()

    def events(self) -> AsyncIterator[Event]:
        """What happens besides data, from the first event to the end.

        Of events that nobody reads the newest 256 are kept.
        """
        return UntilNone(self._next_event)

    async def _next_event(self) -> Optional[Event]:
        inbox = self._inbox
        while not inbox.events:
            if inbox.closed is not None:
                if inbox.failure is not None:
                    raise inbox.failure
                return None
            await inbox.changed()
        return inbox.events.popleft()

    async def wait_closed(self, timeout: Optional[float] = None) -> Closed:
        """Waits for the end and tells how it came.

        Raises:
            TimeoutError: it did not come within `timeout` seconds.
        """
        inbox = self._inbox
        if timeout is None:
            await self._ended()
        elif inbox.closed is None:
            await until(self._ended(), timeout, f"session {self.id} did not end")
        assert inbox.closed is not None
        return inbox.closed

    async def _ended(self) -> None:
        while self._inbox.closed is None:
            await self._inbox.changed()

    async def disconnect(self) -> None:
        """Ends it once what was sent is written; `wait_closed` waits for that. What has come can still be read.

        Asking for the end of what has ended is no error.
        """
        await self._disconnect(abort=False)

    async def _disconnect(self, abort: bool) -> None:
        if self.closed is not None:
            return
        connection = self._connection
        request = _gateway.TcpDisconnectRequest(session_id=self.id, abort=abort)
        with contextlib.suppress(errors.SessionNotFound):
            await connection.call(connection.gateway.TcpDisconnect, request, repeat=True)

    async def close(self) -> Closed:
        """Ends it once what was sent is written, throws away what was not read, and waits for the end."""
        # Its peer must not wait for a reader any more.
        self._inbox.release()
        await self._disconnect(abort=False)
        try:
            return await self.wait_closed(CLOSE_PATIENCE)
        except TimeoutError:
            await self._disconnect(abort=True)
            return await self.wait_closed(CLOSE_PATIENCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is None:
            await self.close()
            return
        # The error that is under way says more than one of the closing.
        with contextlib.suppress(errors.GatewayError, asyncio.TimeoutError, TimeoutError):
            await self.close()
