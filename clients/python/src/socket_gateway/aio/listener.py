"""A listener: one TCP server socket of the gateway."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Optional

from typing_extensions import Self

from .. import errors
from .._gen.tcpip.v1 import socket_gateway_service_pb2 as _gateway
from .._requests import LineEnd, Mode
from .._router import Arrivals
from ._connection import Connection, until
from ._endpoint import UntilNone
from .session import Session


class Listener:
    """One TCP server socket of the gateway. Iterating gives its accepted sessions, until it is closed.

    Used in ``async with`` it is closed at the end of the block; its sessions live on.
    """

    def __init__(
        self,
        connection: Connection,
        listener_id: str,
        arrivals: Arrivals,
        address: tuple[str, int],
        mode: Mode,
        end: Optional[LineEnd],
    ) -> None:
        self._connection = connection
        self._id = listener_id
        self._arrivals = arrivals
        self._address = address
        self._mode: Mode = mode
        self._end: Optional[LineEnd] = end

    @property
    def id(self) -> str:
        """The listener's id."""
        return self._id

    @property
    def host(self) -> str:
        """The bound address."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The bound port, also where any was asked for."""
        return self._address[1]

    @property
    def closed(self) -> bool:
        """Whether it accepts no more."""
        return self._arrivals.closed

    def __repr__(self) -> str:
        return f"<Listener {self.id} on {self.host}:{self.port}{' closed' if self.closed else ''}>"

    async def accept(self, timeout: Optional[float] = None) -> Session:
        """The next session.

        Raises:
            TimeoutError: none came within `timeout` seconds.
            EOFError: the listener is closed.
            GatewayError: it was lost: InstanceChanged …
        """
        session = await self._next(timeout)
        if session is None:
            raise EOFError(f"listener {self.id} is closed")
        return session

    async def _next(self, timeout: Optional[float] = None) -> Optional[Session]:
        arrivals = self._arrivals
        if timeout is None:
            await self._came()
        elif not arrivals.waiting and not arrivals.closed:
            await until(self._came(), timeout, f"nobody came to listener {self.id}")
        if not arrivals.waiting:
            if arrivals.failure is not None:
                raise arrivals.failure
            return None
        inbox = arrivals.waiting.popleft()
        inbox.accept()
        self._connection.opens(inbox)
        return Session(self._connection, inbox, self._mode, self._end)

    async def _came(self) -> None:
        while not self._arrivals.waiting and not self._arrivals.closed:
            await self._arrivals.changed()

    def __aiter__(self) -> AsyncIterator[Session]:
        return UntilNone(self._next)

    async def close(self, *, close_sessions: bool = False) -> int:
        """Accepts no more, and with `close_sessions` ends the sessions that it accepted; returns how many of them are
        being ended.

        Closing what is closed is no error.
        """
        if self.closed:
            return 0
        connection = self._connection
        request = _gateway.TcpUnlistenRequest(listener_id=self.id, close_sessions=close_sessions)
        try:
            response = await connection.call(connection.gateway.TcpUnlisten, request)
        except errors.ListenerNotFound:
            return 0
        count: int = response.sessions_closing
        return count

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is None:
            await self.close()
            return
        with contextlib.suppress(errors.GatewayError):
            await self.close()
