"""A UDP socket of the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Optional

from .. import _requests
from .._gen.tcpip.v1 import socket_gateway_service_pb2 as _gateway
from .._inbox import Inbox
from ..types import Datagram, DatagramSent, Item
from ._connection import Connection
from ._endpoint import Endpoint, UntilNone


class UdpSocket(Endpoint):
    """One bound UDP socket of the gateway. Iterating gives its datagrams.

    Datagrams that nobody reads are dropped, the oldest first, and `Datagram.dropped_before` tells how many. Used in
    ``async with`` it is closed at the end of the block.
    """

    def __init__(self, connection: Connection, inbox: Inbox, address: tuple[str, int], groups: tuple[str, ...]) -> None:
        super().__init__(connection, inbox)
        self._address = address
        self._groups = groups

    @property
    def host(self) -> str:
        """The bound address."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The bound port, also where any was asked for."""
        return self._address[1]

    @property
    def groups(self) -> tuple[str, ...]:
        """The multicast groups joined."""
        return self._groups

    def __repr__(self) -> str:
        return f"<UdpSocket {self.id} on {self.host}:{self.port}{' closed' if self.closed else ''}>"

    async def receive(self, timeout: Optional[float] = None) -> Datagram:
        """The next datagram.

        Raises:
            TimeoutError: none came within `timeout` seconds.
            EOFError: the socket is closed.
            GatewayError: it was lost: InstanceChanged …
        """
        datagram = await self._next(timeout)
        if datagram is None:
            raise EOFError(f"socket {self.id} is closed")
        return datagram

    async def _next(self, timeout: Optional[float] = None) -> Optional[Datagram]:
        data = await self._take(timeout)
        if data is not None and not isinstance(data, Datagram):
            raise TypeError(f"session {self.id} is no UDP socket")
        return data

    def __aiter__(self) -> AsyncIterator[Datagram]:
        return UntilNone(self._next)

    async def reply(self, to: Datagram, data: Item) -> DatagramSent:
        """Answers a datagram, from the port it came to.

        Raises:
            GatewayError: as with `send_to`.
        """
        return await self.send_to(to.host, to.port, data)

    async def send_to(
        self,
        host: str,
        port: int,
        data: Item,
        *,
        broadcast: bool = False,
        multicast_ttl: Optional[int] = None,
        multicast_loopback: Optional[bool] = None,
        multicast_interface: str = "",
    ) -> DatagramSent:
        """Sends one datagram from this socket.

        Raises:
            GatewayError: SendInvalid, PayloadInvalid, UdpSendFailed, SessionNotFound, LimitReached.
        """
        return await send_datagram(
            self._connection,
            host,
            port,
            data,
            session_id=self.id,
            broadcast=broadcast,
            multicast_ttl=multicast_ttl,
            multicast_loopback=multicast_loopback,
            multicast_interface=multicast_interface,
        )


async def send_datagram(
    connection: Connection,
    host: str,
    port: int,
    data: Item,
    *,
    session_id: str = "",
    broadcast: bool = False,
    multicast_ttl: Optional[int] = None,
    multicast_loopback: Optional[bool] = None,
    multicast_interface: str = "",
) -> DatagramSent:
    """One datagram, from a session's socket or from a fresh one."""
    request = _gateway.UdpOutRequest(
        host=host,
        port=port,
        payload=_requests.payload_item(data),
        broadcast=broadcast,
        multicast_ttl=multicast_ttl,
        multicast_loopback=multicast_loopback,
        multicast_interface=multicast_interface,
        session_id=session_id,
        subscriber=connection.subscriber,
    )
    response = await connection.call(connection.gateway.UdpOut, request)
    return DatagramSent(response.message_id, response.host, response.port, response.bytes)
