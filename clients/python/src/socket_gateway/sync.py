"""The blocking API: what `socket_gateway.aio` has, without ``await``.

Its objects may be used from any thread; one thread may read a session while others send.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

import grpc
from typing_extensions import Self

from . import _background, aio
from ._channel import TLS, Token
from ._gen.tcpip.v1 import session_service_pb2 as _sessions
from ._inbox import Data
from ._requests import LineEnd, Mode, TimeoutAction, UdpMode, Unanswered
from .aio.session import data_lines, data_match
from .types import Answer, Closed, Datagram, DatagramSent, Event, Group, Item, Match, Sent

if TYPE_CHECKING:
    from .stream import SessionSocket

T = TypeVar("T")


class Endpoint:
    """One socket of the gateway: what happens to it, and its end.

    Used in ``with`` it is closed at the end of the block.
    """

    def __init__(self, inner: Union[aio.Session, aio.UdpSocket], loop: _background.Loop) -> None:
        self._endpoint = inner
        self._loop = loop

    @property
    def id(self) -> str:
        """The session's id."""
        return self._endpoint.id

    @property
    def closed(self) -> Optional[Closed]:
        """How it ended; None while it lives. What came before the end can still be read."""
        return self._endpoint.closed

    def events(self) -> Iterator[Event]:
        """What happens besides data, from the first event to the end.

        Of events that nobody reads the newest 256 are kept.
        """
        return _until_none(self._loop, self._endpoint._next_event)

    def wait_closed(self, timeout: Optional[float] = None) -> Closed:
        """Waits for the end and tells how it came.

        Raises:
            TimeoutError: it did not come within `timeout` seconds.
        """
        return self._loop.run(self._endpoint.wait_closed(timeout))

    def disconnect(self) -> None:
        """Ends it once what was sent is written; `wait_closed` waits for that. What has come can still be read.

        Asking for the end of what has ended is no error.
        """
        self._loop.run(self._endpoint.disconnect())

    def close(self) -> Closed:
        """Ends it once what was sent is written, throws away what was not read, and waits for the end."""
        return self._loop.run(self._endpoint.close())

    def __repr__(self) -> str:
        return repr(self._endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._loop.run(self._endpoint.__aexit__(kind, error, trace))


class Session(Endpoint):
    """One TCP connection of the gateway.

    Opened with `Gateway.connect`, accepted by a `Listener`, or found by `Gateway.session`. Reading is with `lines`,
    `chunks` or `matches`; what was not read waits, here and in the gateway up to a bound, and then the peer waits.

    Used in ``with`` the session is closed at the end of the block.
    """

    def __init__(self, inner: aio.Session, loop: _background.Loop) -> None:
        super().__init__(inner, loop)
        self._inner = inner
        self._reading = False

    @property
    def mode(self) -> Mode:
        """How its inbound bytes are delivered."""
        return self._inner.mode

    @property
    def peer(self) -> Optional[tuple[str, int]]:
        """The peer's address and port; None while connecting."""
        return self._inner.peer

    @property
    def local(self) -> Optional[tuple[str, int]]:
        """The gateway's address and port on this connection; None while connecting."""
        return self._inner.local

    def send(
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
        return self._loop.run(
            self._inner.send(
                *items,
                end=end,
                wait_for=wait_for,
                timeout=timeout,
                claim=claim,
                expected_write_offset=expected_write_offset,
            )
        )

    def write(self, data: Union[bytes, bytearray, memoryview]) -> None:
        """Sends any number of bytes, in pieces, as a stream.

        Raises:
            GatewayError: as `send`; what came before the piece that failed was sent.
        """
        self._loop.run(self._inner.write(data))

    def exchange(
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
        return self._loop.run(
            self._inner.exchange(
                *items,
                wait_for=wait_for,
                timeout=timeout,
                end=end,
                on_unanswered=on_unanswered,
                settle_timeout=settle_timeout,
            )
        )

    def claim(self, wait_for: Optional[str] = None) -> str:
        """Makes the session's data come here, without a send; returns the subscriber that had them before."""
        return self._loop.run(self._inner.claim(wait_for))

    def lines(self, timeout: Optional[float] = None) -> Iterator[str]:
        """The lines, without their ends, until the peer ends; of a session with `wait_for` those that were collected,
        too.

        Args:
            timeout: How many seconds each line may take.

        Raises:
            GatewayError: the lines were broken off: SessionEnded, InstanceChanged …
            TimeoutError: no line came in time.
        """
        self._inner._needs("line", "reading lines")
        left = self._inner._lines_left
        while left:
            yield left.popleft()
        for data in self._read_ahead(timeout):
            left.extend(data_lines(data))
            while left:
                yield left.popleft()

    def readline(self, timeout: Optional[float] = None) -> Optional[str]:
        """The next line, without its end; None at the end.

        Raises:
            GatewayError, TimeoutError: as with `lines`.
        """
        return self._loop.run(self._inner.readline(timeout))

    def matches(self, timeout: Optional[float] = None) -> Iterator[Match]:
        """What the pattern of `wait_for` found, until the peer ends. A line that came without a pattern is a match of
        itself.

        Raises:
            GatewayError, TimeoutError: as with `lines`.
        """
        self._inner._needs("line", "reading matches")
        for data in self._read_ahead(timeout):
            yield data_match(data)

    def read_match(self, timeout: Optional[float] = None) -> Optional[Match]:
        """The next match; None at the end.

        Raises:
            GatewayError, TimeoutError: as with `lines`.
        """
        return self._loop.run(self._inner.read_match(timeout))

    def chunks(self, timeout: Optional[float] = None) -> Iterator[bytes]:
        """The bytes as they come, until the peer ends.

        Raises:
            GatewayError, TimeoutError: as with `lines`.
        """
        self._inner._needs("binary", "reading bytes")
        for data in self._read_ahead(timeout):
            if isinstance(data, bytes):
                yield data

    def read(self, limit: int = -1, timeout: Optional[float] = None) -> bytes:
        """The next bytes, at most `limit` where it is not negative; none at the end.

        Raises:
            GatewayError, TimeoutError: as with `lines`.
        """
        return self._loop.run(self._inner.read(limit, timeout))

    def read_exactly(self, size: int, timeout: Optional[float] = None) -> bytes:
        """So many bytes, each piece of them in time.

        Raises:
            EOFError: the peer ended before.
            GatewayError, TimeoutError: as with `lines`.
        """
        return self._loop.run(self._inner.read_exactly(size, timeout))

    def _read_ahead(self, timeout: Optional[float]) -> Iterator[Data]:
        """Reads with one trip to the loop's thread for all that waits there.

        What was handed on is taken, and acknowledged, with the next trip.
        """
        if self._reading:
            raise RuntimeError(f"session {self.id} is being read by another iteration")
        self._reading = True
        taken = 0
        try:
            while True:
                waiting = self._loop.run(self._inner._peek(taken, timeout))
                taken = 0
                if not waiting:
                    return
                for data in waiting:
                    taken += 1
                    yield data
        finally:
            self._reading = False
            self._loop.soon(self._inner._skip, taken)

    def abort(self) -> None:
        """Resets the connection at once; what was not read or not written is thrown away."""
        self._loop.run(self._inner.abort())

    def socket(self) -> SessionSocket:
        """This session as something like a socket, for code that wants one; see `socket_gateway.stream`."""
        from .stream import SessionSocket

        return SessionSocket(self)


class Listener:
    """One TCP server socket of the gateway. Iterating gives its accepted sessions, until it is closed.

    Used in ``with`` it is closed at the end of the block; its sessions live on.
    """

    def __init__(self, inner: aio.Listener, loop: _background.Loop) -> None:
        self._inner = inner
        self._loop = loop

    @property
    def id(self) -> str:
        """The listener's id."""
        return self._inner.id

    @property
    def host(self) -> str:
        """The bound address."""
        return self._inner.host

    @property
    def port(self) -> int:
        """The bound port, also where any was asked for."""
        return self._inner.port

    @property
    def closed(self) -> bool:
        """Whether it accepts no more."""
        return self._inner.closed

    def accept(self, timeout: Optional[float] = None) -> Session:
        """The next session.

        Raises:
            TimeoutError: none came within `timeout` seconds.
            EOFError: the listener is closed.
            GatewayError: it was lost: InstanceChanged …
        """
        return Session(self._loop.run(self._inner.accept(timeout)), self._loop)

    def __iter__(self) -> Iterator[Session]:
        for session in _until_none(self._loop, self._inner._next):
            yield Session(session, self._loop)

    def close(self, *, close_sessions: bool = False) -> int:
        """Accepts no more, and with `close_sessions` ends the sessions that it accepted; returns how many are being
        ended.

        Closing what is closed is no error.
        """
        return self._loop.run(self._inner.close(close_sessions=close_sessions))

    def __repr__(self) -> str:
        return repr(self._inner)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._loop.run(self._inner.__aexit__(kind, error, trace))


class UdpSocket(Endpoint):
    """One bound UDP socket of the gateway. Iterating gives its datagrams.

    Datagrams that nobody reads are dropped, the oldest first, and `Datagram.dropped_before` tells how many. Used in
    ``with`` it is closed at the end of the block.
    """

    def __init__(self, inner: aio.UdpSocket, loop: _background.Loop) -> None:
        super().__init__(inner, loop)
        self._inner = inner

    @property
    def host(self) -> str:
        """The bound address."""
        return self._inner.host

    @property
    def port(self) -> int:
        """The bound port, also where any was asked for."""
        return self._inner.port

    @property
    def groups(self) -> tuple[str, ...]:
        """The multicast groups joined."""
        return self._inner.groups

    def receive(self, timeout: Optional[float] = None) -> Datagram:
        """The next datagram.

        Raises:
            TimeoutError: none came within `timeout` seconds.
            EOFError: the socket is closed.
            GatewayError: it was lost: InstanceChanged …
        """
        return self._loop.run(self._inner.receive(timeout))

    def __iter__(self) -> Iterator[Datagram]:
        return _until_none(self._loop, self._inner._next)

    def reply(self, to: Datagram, data: Item) -> DatagramSent:
        """Answers a datagram, from the port it came to.

        Raises:
            GatewayError: as with `send_to`.
        """
        return self._loop.run(self._inner.reply(to, data))

    def send_to(
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
        return self._loop.run(
            self._inner.send_to(
                host,
                port,
                data,
                broadcast=broadcast,
                multicast_ttl=multicast_ttl,
                multicast_loopback=multicast_loopback,
                multicast_interface=multicast_interface,
            )
        )


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
        self._inner = aio.Gateway(
            target, subscriber=subscriber, token=token, tls=tls, patience=patience, keep_sessions=keep_sessions
        )
        self._loop = _background.loop()

    @property
    def subscriber(self) -> str:
        """The name that what this object opens belongs to."""
        return self._inner.subscriber

    def open(self) -> Self:
        """Attaches to the gateway; ``with`` does it.

        Raises:
            GatewayError: Unavailable where no gateway could be reached within the patience, Unauthenticated where it
                wants another token, …
        """
        self._loop.run(self._inner.open())
        return self

    def close(self) -> None:
        """Disconnects what this object opened (unless told to keep it) and closes the connection to the gateway."""
        self._loop.run(self._inner.close())

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def connect(
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
        session = self._inner.connect(
            host,
            port,
            mode=mode,
            end=end,
            wait_for=wait_for,
            timeout=timeout,
            on_timeout=on_timeout,
            connect_timeout=connect_timeout,
            allow_half_open=allow_half_open,
            orphan_timeout=orphan_timeout,
            session_id=session_id,
            wait=wait,
        )
        return Session(self._loop.run(session), self._loop)

    def listen(
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
        listener = self._inner.listen(
            port,
            host=host,
            mode=mode,
            end=end,
            wait_for=wait_for,
            timeout=timeout,
            on_timeout=on_timeout,
            allow_half_open=allow_half_open,
            orphan_timeout=orphan_timeout,
        )
        return Listener(self._loop.run(listener), self._loop)

    def udp_in(
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
        socket = self._inner.udp_in(
            port,
            host=host,
            groups=groups,
            mode=mode,
            reuse_address=reuse_address,
            timeout=timeout,
            on_timeout=on_timeout,
            orphan_timeout=orphan_timeout,
            session_id=session_id,
        )
        return UdpSocket(self._loop.run(socket), self._loop)

    def udp_out(
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
        return self._loop.run(
            self._inner.udp_out(
                host,
                port,
                data,
                broadcast=broadcast,
                multicast_ttl=multicast_ttl,
                multicast_loopback=multicast_loopback,
                multicast_interface=multicast_interface,
            )
        )

    def session(self, session_id: str, *, end: Optional[LineEnd] = None) -> Session:
        """A live session by its id, whoever opened it. Its data come here from the first `send` on, or with
        `Session.claim`.

        Raises:
            GatewayError: SessionNotFound.
        """
        return Session(self._loop.run(self._inner.session(session_id, end=end)), self._loop)

    def listener(self, listener_id: str, *, end: Optional[LineEnd] = None) -> Listener:
        """A listener of this subscriber by its id, for example one that the gateway's configuration declares.

        Raises:
            GatewayError: ListenerNotFound.
        """
        return Listener(self._loop.run(self._inner.listener(listener_id, end=end)), self._loop)

    def udp_socket(self, session_id: str) -> UdpSocket:
        """A UDP socket by its session's id.

        Raises:
            GatewayError: SessionNotFound.
        """
        return UdpSocket(self._loop.run(self._inner.udp_socket(session_id)), self._loop)

    def get_session(self, session_id: str) -> _sessions.Session:
        """Shows a session, as the gateway's API does.

        Raises:
            GatewayError: SessionNotFound.
        """
        return self._loop.run(self._inner.get_session(session_id))

    def list_sessions(
        self, *, subscriber: str = "", listener_id: str = "", page_size: int = 0
    ) -> Iterator[_sessions.Session]:
        """All live sessions, ordered by id; only those of a subscriber or a listener where one is named."""
        listed = self._inner.list_sessions(subscriber=subscriber, listener_id=listener_id, page_size=page_size)
        return self._iterate(listed)

    def list_listeners(self, *, page_size: int = 0) -> Iterator[_sessions.Listener]:
        """All listeners, ordered by id."""
        return self._iterate(self._inner.list_listeners(page_size=page_size))

    def list_subscribers(self, *, page_size: int = 0) -> Iterator[_sessions.Subscriber]:
        """All subscribers, ordered by name."""
        return self._iterate(self._inner.list_subscribers(page_size=page_size))

    def watch(self) -> Iterator[_sessions.WatchResponse]:
        """Everything that lives, then every change, as the gateway's API tells it.

        A watch that breaks is not resumed: begin again.
        """
        return self._iterate(self._inner.watch())

    def _iterate(self, items: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    item = self._loop.run(_step(items))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            self._loop.run(items.aclose())


async def _step(items: Any) -> Any:
    return await items.__anext__()


def _until_none(loop: _background.Loop, step: Callable[[], Any]) -> Iterator[Any]:
    while True:
        item = loop.run(step())
        if item is None:
            return
        yield item
