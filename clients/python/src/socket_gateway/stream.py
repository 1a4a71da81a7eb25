"""A session for code that wants a socket or a file.

    with gateway.connect("mail.example.org", 25) as session:
        sock = session.socket()
        sock.sendall(b"EHLO me\\r\\n")
        print(sock.makefile("r").readline())

`SessionSocket` has what client code uses of `socket.socket`: `recv`, `recv_into`, `send`, `sendall`, `makefile`,
`settimeout`, `shutdown`, `close`, `getpeername`. It has no file descriptor, so `select` and `ssl.wrap_socket` cannot
use it. The standard library's clients run over it where they let one say how to make the socket: see `smtp` for
smtplib.
"""

from __future__ import annotations

import errno as _errno
import io
import smtplib
import socket as _socket
from typing import TYPE_CHECKING, Any, Optional, Union

from . import errors

if TYPE_CHECKING:
    from .sync import Gateway, Session

Buffer = Union[bytes, bytearray, memoryview]


class SessionSocket:
    """A session in binary mode as a blocking stream socket.

    Errors are those of sockets: `OSError` and its kinds, with the gateway's error as their cause.
    """

    #: Code that looks at these finds an ordinary stream socket.
    family = _socket.AF_INET
    type = _socket.SOCK_STREAM
    proto = _socket.IPPROTO_TCP

    def __init__(self, session: Session, timeout: Optional[float] = None) -> None:
        if session.mode != "binary":
            raise ValueError('a socket needs a session with mode="binary"; lines have lost their ends')
        self._session = session
        self._timeout = timeout
        self._files = 0
        self._closed = False

    @property
    def session(self) -> Session:
        """The session it writes to and reads from."""
        return self._session

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At most so many bytes; none at the end.

        Raises:
            TimeoutError: nothing came within the timeout; BlockingIOError where that is 0.
            ConnectionResetError: the stream was broken off.
        """
        if flags:
            raise NotImplementedError("flags of recv")
        self._must_be_open()
        try:
            return self._session.read(size, self._timeout)
        except TimeoutError:
            if self._timeout == 0:
                raise BlockingIOError(_errno.EAGAIN, "nothing has come") from None
            raise
        except errors.SessionEnded as error:
            raise ConnectionResetError(str(error)) from error
        except errors.GatewayError as error:
            raise OSError(str(error)) from error

    def recv_into(self, buffer: Union[bytearray, memoryview], size: int = 0, flags: int = 0) -> int:
        """As `recv`, into a buffer."""
        view = memoryview(buffer).cast("B")
        data = self.recv(size or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Sends all of it, unlike a real socket, and returns how much that was.

        Raises:
            BrokenPipeError: the connection has ended.
        """
        self.sendall(data, flags)
        return memoryview(data).nbytes

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Sends all of it.

        Raises:
            BrokenPipeError: the connection has ended.
        """
        if flags:
            raise NotImplementedError("flags of send")
        self._must_be_open()
        try:
            self._session.write(memoryview(data).cast("B"))
        except (errors.SessionNotFound, errors.SessionNotConnected, errors.SocketNotConnected) as error:
            raise BrokenPipeError(str(error)) from error
        except errors.GatewayError as error:
            raise OSError(str(error)) from error

    def makefile(
        self,
        mode: str = "r",
        buffering: Optional[int] = None,
        *,
        encoding: Optional[str] = None,
        errors: Optional[str] = None,
        newline: Optional[str] = None,
    ) -> Any:
        """A file over it, as the socket module makes them."""
        if not set(mode) <= {"r", "w", "b"}:
            raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
        writing = "w" in mode
        reading = "r" in mode or not writing
        raw = _Raw(self, reading, writing)
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        if size == 0:
            if "b" not in mode:
                raise ValueError("unbuffered streams must be binary")
            return raw
        buffer: Any
        if reading and writing:
            buffer = io.BufferedRWPair(raw, raw, size)
        elif reading:
            buffer = io.BufferedReader(raw, size)
        else:
            buffer = io.BufferedWriter(raw, size)
        if "b" in mode:
            return buffer
        return io.TextIOWrapper(buffer, encoding, errors, newline)

    def settimeout(self, value: Optional[float]) -> None:
        """How many seconds a `recv` waits; None: for ever; 0: not at all. Sending always waits."""
        if value is not None and value < 0:
            raise ValueError("timeout value out of range")
        self._timeout = value

    def gettimeout(self) -> Optional[float]:
        """How many seconds a `recv` waits."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """Whether a `recv` waits."""
        self.settimeout(None if flag else 0.0)

    def setsockopt(self, *_: Any) -> None:
        """The gateway sets the options of its sockets; what is asked for here is accepted and without effect."""

    def getpeername(self) -> tuple[str, int]:
        """The peer's address and port."""
        return self._session.peer or ("", 0)

    def getsockname(self) -> tuple[str, int]:
        """The gateway's address and port on the connection."""
        return self._session.local or ("", 0)

    def fileno(self) -> int:
        """There is none.

        Raises:
            io.UnsupportedOperation: always.
        """
        raise io.UnsupportedOperation("a session has no file descriptor")

    def shutdown(self, how: int) -> None:
        """Ends the sending direction; the gateway then reads what the peer still says before it ends.

        Nothing is sent after it. Ending only the reading direction is without effect.
        """
        if how != _socket.SHUT_RD:
            try:
                self._session.disconnect()
            except errors.GatewayError as error:
                raise OSError(str(error)) from error

    def close(self) -> None:
        """Ends the connection, once the last file over it is closed too."""
        self._closed = True
        self._close_if_unused()

    def detach(self) -> int:
        """There is nothing to detach.

        Raises:
            io.UnsupportedOperation: always.
        """
        raise io.UnsupportedOperation("a session has no file descriptor")

    def _close_if_unused(self) -> None:
        if self._closed and self._files == 0 and self._session.closed is None:
            try:
                self._session.disconnect()
            except errors.GatewayError as error:
                raise OSError(str(error)) from error

    def _must_be_open(self) -> None:
        if self._closed and self._files == 0:
            raise OSError("the socket is closed")

    def __enter__(self) -> SessionSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SessionSocket {self._session!r}>"


class _Raw(io.RawIOBase):
    """What `makefile` puts its buffers over."""

    def __init__(self, sock: SessionSocket, reading: bool, writing: bool) -> None:
        super().__init__()
        self._sock = sock
        self._reads = reading
        self._writes = writing
        sock._files += 1

    def readable(self) -> bool:
        return self._reads

    def writable(self) -> bool:
        return self._writes

    def readinto(self, buffer: Any) -> int:
        return self._sock.recv_into(buffer)

    def write(self, data: Any) -> int:
        return self._sock.send(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._sock._files -= 1
            self._sock._close_if_unused()


def create_connection(gateway: Gateway, address: tuple[str, int], timeout: Optional[float] = None) -> SessionSocket:
    """What `socket.create_connection` does, through a gateway.

    Raises:
        OSError: it could not connect; the gateway's error is its cause.
    """
    host, port = address
    try:
        session = gateway.connect(host, port, connect_timeout=None if timeout is None else min(timeout, 60.0))
    except errors.ConnectFailed as error:
        kinds = {"ECONNREFUSED": ConnectionRefusedError, "ETIMEDOUT": TimeoutError}
        raise kinds.get(error.errno or "", OSError)(str(error)) from error
    except errors.GatewayError as error:
        raise OSError(str(error)) from error
    return SessionSocket(session, timeout)


def smtp(gateway: Gateway, host: str, port: int = 25, **options: Any) -> smtplib.SMTP:
    """An `smtplib.SMTP` whose connection goes through a gateway. ``starttls`` is not possible over it.

    Args:
        options: What smtplib takes: ``local_hostname``, ``timeout``, ….

    Raises:
        OSError, smtplib.SMTPException: as smtplib says.
    """

    class ThroughGateway(smtplib.SMTP):
        def _get_socket(self, host: str, port: int, timeout: Any) -> Any:
            seconds = timeout if isinstance(timeout, (int, float)) else None
            return create_connection(gateway, (host, port), seconds)

    return ThroughGateway(host, port, **options)
