"""The gateway object for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Optional, Union

import grpc
from typing_extensions import Self

from .. import _requests, errors
from .._channel import TLS, Token
from .._gen.tcpip.v1 import session_service_pb2 as _sessions
from .._gen.tcpip.v1 import socket_gateway_service_pb2 as _gateway
from .._requests import LineEnd, Mode, TimeoutAction, UdpMode
from ..types import DatagramSent, Group, Item
from . import _lists
from ._connection import Connection
from .listener import Listener
from .session import Session
from .udp import UdpSocket, send_datagram

#: How long `Gateway.close` waits for what it disconnects.
CLOSE_PATIENCE = 5.0


class Gateway:
    """One connection to a socket-gateway, and one stream that carries everything that its sessions get.

    A stream that breaks is resumed without loss. What cannot be resumed, because the gateway was restarted, is told to
    every reader as `InstanceChanged`; the object itself can be used on.

    Args:
        target: Host and port of the gateway.
        subscriber: The name that what this object opens belongs to. None: one of its own, so that no other client gets
            any of it.
        token: Who calls, where the gateway asks: a bearer token, or a function that gives one.
        tls: True, a `TLS` or gRPC's own credentials to encrypt the way to the gateway.
        patience: For how many seconds an unreachable gateway is waited for, at the beginning and after a break. None:
            for ever.
        keep_sessions: Leave sessions, listeners and sockets open when this object is closed, for the next one with the
            same subscriber.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        subscriber: Optional[str] = None,
        token: Optional[Token] = None,
        tls: Union[bool, TLS, grpc.ChannelCredentials, None] = None,
        patience: Optional[float] = 30.0,
        keep_sessions: bool = False,
    ) -> None:
        if keep_sessions and subscriber is None:
            raise ValueError(
                "keep_sessions needs a subscriber: under a name that nobody knows they could not be found again"
            )
        if "://" in target and not target.startswith(("dns:", "ipv4:", "ipv6:", "unix:")):
            raise ValueError(f'target is "{target}"; it must be HOST:PORT, with tls=True for an encrypted way')
        self._target = target
        self._settings = (target, subscriber, token, tls, patience)
        self._keep_sessions = keep_sessions
        self._opened: Optional[Connection] = None
        self._listeners: dict[str, Listener] = {}

    @property
    def subscriber(self) -> str:
        """The name that what this object opens belongs to."""
        return self._connection.subscriber

    @property
    def _connection(self) -> Connection:
        if self._opened is None:
            raise RuntimeError('the gateway object is not open: use it in "with", or call open() first')
        return self._opened

    async def open(self) -> Self:
        """Attaches to the gateway; ``async with`` does it.

        Raises:
            GatewayError: Unavailable where no gateway could be reached within the patience, Unauthenticated where it
                wants another token, …
        """
        if self._opened is None:
            self._opened = Connection(*self._settings)
            self._opened.attachment.start()
        try:
            await self._opened.attachment.ready()
        except errors.GatewayError:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        """Disconnects what this object opened (unless told to keep it) and closes the connection to the gateway."""
        connection = self._opened
        if connection is None:
            return
        if not self._keep_sessions:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._disconnect_all(connection), CLOSE_PATIENCE)
        await connection.attachment.close()
        for task in list(connection.background):
            task.cancel()
        await connection.channel.close()

    async def _disconnect_all(self, connection: Connection) -> None:
        async def quietly(work: Any) -> None:
            # What does not answer now is closed by the gateway's orphan timeout.
            with contextlib.suppress(errors.GatewayError):
                await work

        async def end(session_id: str) -> None:
            request = _gateway.TcpDisconnectRequest(session_id=session_id)
            await quietly(connection.call(connection.gateway.TcpDisconnect, request))

        live = [listener for listener in self._listeners.values() if not listener.closed]
        await asyncio.gather(*(quietly(listener.close(close_sessions=True)) for listener in live))
        sessions = [key for key, inbox in connection.opened.items() if inbox.closed is None]
        await asyncio.gather(*(end(key) for key in sessions))

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    # TCP.

    async def connect(
        self,
        host: str,
        port: int,
        *,
        mode: Mode = "binary",
        end: Optional[LineEnd] = None,
        wait_for: str = "",
        timeout: Optional[float] = None,
        on_timeout: Optional[TimeoutAction] = None,
        connect_timeout: Optional[float] = None,
        allow_half_open: bool = False,
        orphan_timeout: Optional[float] = None,
        session_id: Optional[str] = None,
        wait: bool = True,
    ) -> Session:
        """Opens a connection.

        Args:
            host: A name or an address.
            port: 1 to 65535.
            mode: How what comes in is cut: ``"binary"`` as it arrives, ``"line"`` at every line end.
            end: What follows each text that is sent; None: a line feed in line mode, nothing in binary mode.
            wait_for: Line mode: collect lines until one matches this pattern, then deliver them together (see
                `Session.matches`). A regular expression of Rust's regex crate.
            timeout: Inactivity timeout in seconds; None: none.
            on_timeout: What it does, besides its event: ``"close"`` or ``"keep"`` (the default).
            connect_timeout: Seconds that connecting may take; None: the gateway's default (10 s).
            allow_half_open: Go on sending after the peer has ended its direction.
            orphan_timeout: For how many seconds the session outlives this object, where it is not disconnected; None:
                the gateway's default (5 min); 0: for ever.
            session_id: An id of your own.
            wait: Wait until it is connected.

        Raises:
            GatewayError: ConnectFailed, ConnectInvalid, PolicyDenied, SessionIdConflict, WaitForInvalid, LimitReached.
        """
        connection = self._connection
        await connection.attachment.ready()
        session_id = session_id or _requests.new_session_id()
        fresh = session_id not in connection.router.inboxes
        inbox = connection.router.inbox(session_id)
        inbox.wanted = True
        request = _gateway.TcpConnectRequest(
            host=host,
            port=_port(port),
            subscriber=connection.subscriber,
            session_id=session_id,
            mode=_requests.tcp_mode(mode),
            wait_for=wait_for,
            timeout=_requests.duration(timeout),
            on_timeout=_requests.timeout_action(on_timeout),
            connect_timeout=_requests.duration(connect_timeout),
            no_wait=not wait,
            allow_half_open=allow_half_open,
            orphan_timeout=_requests.duration(orphan_timeout),
            request_id=_requests.new_request_id(),
        )
        try:
            response = await connection.call(connection.gateway.TcpConnect, request, repeat=True)
        except asyncio.CancelledError:
            connection.in_background(self._give_up(connection, session_id))
            raise
        except errors.GatewayError:
            if fresh:
                connection.router.forget(inbox)
            raise
        if response.HasField("connected") and inbox.connected is None:
            inbox.connected = response.connected
        connection.opens(inbox)
        return Session(connection, inbox, mode, end)

    @staticmethod
    async def _give_up(connection: Connection, session_id: str) -> None:
        request = _gateway.TcpDisconnectRequest(session_id=session_id, abort=True)
        with contextlib.suppress(errors.GatewayError):
            await connection.call(connection.gateway.TcpDisconnect, request, repeat=True)

    async def listen(
        self,
        port: int = 0,
        *,
        host: str = "",
        mode: Mode = "binary",
        end: Optional[LineEnd] = None,
        wait_for: str = "",
        timeout: Optional[float] = None,
        on_timeout: Optional[TimeoutAction] = None,
        allow_half_open: bool = False,
        orphan_timeout: Optional[float] = None,
    ) -> Listener:
        """Opens a server socket; iterating over it gives the sessions that it accepts.

        Args:
            port: 0: a free one, which `Listener.port` tells.
            host: The address to bind; empty: all of IPv4.
            on_timeout: As in `connect`, but ``"close"`` is the default.

        The others are as in `connect`, for the accepted sessions.

        Raises:
            GatewayError: ListenInvalid, ServerError, PolicyDenied, WaitForInvalid, LimitReached.
        """
        connection = self._connection
        request = _gateway.TcpListenRequest(
            host=host,
            port=_port(port),
            subscriber=connection.subscriber,
            mode=_requests.tcp_mode(mode),
            wait_for=wait_for,
            timeout=_requests.duration(timeout),
            on_timeout=_requests.timeout_action(on_timeout),
            allow_half_open=allow_half_open,
            orphan_timeout=_requests.duration(orphan_timeout),
            request_id=_requests.new_request_id(),
        )
        response = await connection.call(connection.gateway.TcpListen, request, repeat=True)
        bound = response.listening
        return self._listener(response.listener_id, (bound.local_host, bound.local_port), mode, end)

    def _listener(self, listener_id: str, address: tuple[str, int], mode: Mode, end: Optional[LineEnd]) -> Listener:
        arrivals = self._connection.router.arrivals_at(listener_id)
        arrivals.adopted = True
        listener = Listener(self._connection, listener_id, arrivals, address, mode, end)
        self._listeners = {key: known for key, known in self._listeners.items() if not known.closed}
        self._listeners[listener_id] = listener
        return listener

    # UDP.

    async def udp_in(
        self,
        port: int = 0,
        *,
        host: str = "",
        groups: Iterable[Union[str, Group, tuple[str, str]]] = (),
        mode: UdpMode = "binary",
        reuse_address: Optional[bool] = None,
        timeout: Optional[float] = None,
        on_timeout: Optional[TimeoutAction] = None,
        orphan_timeout: Optional[float] = None,
        session_id: Optional[str] = None,
    ) -> UdpSocket:
        """Binds a UDP socket; iterating over it gives the datagrams that come to it.

        Args:
            port: 0: a free one, which `UdpSocket.port` tells.
            host: The address to bind; empty: all of IPv4, or of IPv6 where the groups are.
            groups: Multicast groups to join: addresses, or pairs of an address and an interface.
            mode: ``"utf8"``: payloads that are UTF-8 are delivered as text (see `Datagram.is_text`).
            reuse_address: Whether others may bind the same; None: with groups.

        The others are as in `connect`.

        Raises:
            GatewayError: ListenInvalid, UdpError, PolicyDenied, SessionIdConflict, LimitReached.
        """
        connection = self._connection
        await connection.attachment.ready()
        session_id = session_id or _requests.new_session_id()
        fresh = session_id not in connection.router.inboxes
        inbox = connection.router.inbox(session_id)
        inbox.wanted = True
        request = _gateway.UdpInRequest(
            host=host,
            port=_port(port),
            multicast_groups=[_requests.group(group) for group in groups],
            mode=_requests.udp_mode(mode),
            reuse_address=reuse_address,
            subscriber=connection.subscriber,
            session_id=session_id,
            orphan_timeout=_requests.duration(orphan_timeout),
            request_id=_requests.new_request_id(),
            timeout=_requests.duration(timeout),
            on_timeout=_requests.timeout_action(on_timeout),
        )
        try:
            response = await connection.call(connection.gateway.UdpIn, request, repeat=True)
        except asyncio.CancelledError:
            connection.in_background(self._give_up(connection, session_id))
            raise
        except errors.GatewayError:
            if fresh:
                connection.router.forget(inbox)
            raise
        connection.opens(inbox)
        bound = response.listening
        return UdpSocket(connection, inbox, (bound.local_host, bound.local_port), tuple(bound.multicast_groups))

    async def udp_out(
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
        """Sends one datagram from a fresh socket.

        Raises:
            GatewayError: SendInvalid, PayloadInvalid, UdpSendFailed, PolicyDenied, LimitReached.
        """
        return await send_datagram(
            self._connection,
            host,
            _port(port),
            data,
            broadcast=broadcast,
            multicast_ttl=multicast_ttl,
            multicast_loopback=multicast_loopback,
            multicast_interface=multicast_interface,
        )

    # What is there already.

    async def session(self, session_id: str, *, end: Optional[LineEnd] = None) -> Session:
        """A live session by its id, whoever opened it. Its data come here from the first `send` on, or with
        `Session.claim`.

        Raises:
            GatewayError: SessionNotFound.
        """
        found = await self.get_session(session_id)
        inbox = self._connection.router.inbox(session_id)
        if found.local_port and inbox.connected is None:
            inbox.connected = _lists.ends(found)
        mode: Mode = "line" if found.mode == _gateway.TCP_MODE_LINE else "binary"
        return Session(self._connection, inbox, mode, end, found.bytes_sent)

    async def listener(self, listener_id: str, *, end: Optional[LineEnd] = None) -> Listener:
        """A listener of this subscriber by its id, for example one that the gateway's configuration declares.

        Raises:
            GatewayError: ListenerNotFound.
        """
        async for found in self.list_listeners():
            if found.listener_id == listener_id:
                mode: Mode = "line" if found.mode == _gateway.TCP_MODE_LINE else "binary"
                return self._listener(listener_id, (found.local_host, found.local_port), mode, end)
        raise errors.ListenerNotFound(f'no listener has the id "{listener_id}"', listenerId=listener_id)

    async def udp_socket(self, session_id: str) -> UdpSocket:
        """A UDP socket by its session's id.

        Raises:
            GatewayError: SessionNotFound.
        """
        found = await self.get_session(session_id)
        if found.kind != _sessions.SESSION_KIND_UDP:
            raise ValueError(f'session "{session_id}" is no UDP socket')
        inbox = self._connection.router.inbox(session_id)
        address = (found.local_host, found.local_port)
        return UdpSocket(self._connection, inbox, address, tuple(found.multicast_groups))

    async def get_session(self, session_id: str) -> _sessions.Session:
        """Shows a session, as the gateway's API does.

        Raises:
            GatewayError: SessionNotFound.
        """
        connection = self._connection
        request = _sessions.GetSessionRequest(session_id=session_id)
        response = await connection.call(connection.sessions.GetSession, request, repeat=True)
        session: _sessions.Session = response.session
        return session

    def list_sessions(
        self, *, subscriber: str = "", listener_id: str = "", page_size: int = 0
    ) -> AsyncIterator[_sessions.Session]:
        """All live sessions, ordered by id; only those of a subscriber or a listener where one is named."""
        return _lists.sessions(self._connection, subscriber, listener_id, page_size)

    def list_listeners(self, *, page_size: int = 0) -> AsyncIterator[_sessions.Listener]:
        """All listeners, ordered by id."""
        return _lists.listeners(self._connection, page_size)

    def list_subscribers(self, *, page_size: int = 0) -> AsyncIterator[_sessions.Subscriber]:
        """All subscribers, ordered by name."""
        return _lists.subscribers(self._connection, page_size)

    def watch(self) -> AsyncIterator[_sessions.WatchResponse]:
        """Everything that lives, then every change, as the gateway's API tells it.

        A watch that breaks is not resumed: begin again.
        """
        return _lists.watch(self._connection)


def _port(port: int) -> int:
    # Anything up to the wire's own bound is left to the gateway, which says what is wrong with it.
    if not isinstance(port, int):
        raise TypeError(f"port must be an int, not {type(port).__name__}")
    if not 0 <= port < 1 << 32:
        raise ValueError(f"port is {port}; it must be 0 to 65535")
    return port
