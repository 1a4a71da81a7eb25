"""Raw TCP and UDP sockets through a socket-gateway.

    from socket_gateway import Gateway

    with Gateway("127.0.0.1:50051") as gateway:
        with gateway.connect("10.0.0.7", 5025, mode="line") as session:
            print(session.exchange("*IDN?"))

The same for asyncio, with ``await``, is in `socket_gateway.aio`. `socket_gateway.stream` lets code that wants a socket
or a
file run over a session.
"""

from . import aio, errors, stream, types
from ._channel import TLS
from .errors import (
    ConnectFailed,
    ConnectInvalid,
    EpochChanged,
    FrameTooLong,
    GatewayClosed,
    GatewayError,
    GatewayTimeout,
    InstanceChanged,
    InternalError,
    LimitReached,
    ListenerNotFound,
    ListenInvalid,
    PayloadInvalid,
    PolicyDenied,
    RequestInvalid,
    RoleDenied,
    SendInvalid,
    ServerError,
    SessionEnded,
    SessionIdConflict,
    SessionNotConnected,
    SessionNotFound,
    ShuttingDown,
    SocketNotConnected,
    StreamGap,
    StreamStalled,
    TransportError,
    UdpError,
    UdpSendFailed,
    Unauthenticated,
    Unavailable,
    Violation,
    WaitForInvalid,
    WriteOffsetMismatch,
)
from .sync import Gateway, Listener, Session, UdpSocket
from .types import (
    Answer,
    AnswerEnd,
    Closed,
    CloseReason,
    Datagram,
    DatagramSent,
    Event,
    EventKind,
    Group,
    Item,
    Match,
    Sent,
    encode,
)

__version__ = "0.1.0"

__all__ = [
    "TLS",
    "Answer",
    "AnswerEnd",
    "CloseReason",
    "Closed",
    "ConnectFailed",
    "ConnectInvalid",
    "Datagram",
    "DatagramSent",
    "EpochChanged",
    "Event",
    "EventKind",
    "FrameTooLong",
    "Gateway",
    "GatewayClosed",
    "GatewayError",
    "GatewayTimeout",
    "Group",
    "InstanceChanged",
    "InternalError",
    "Item",
    "LimitReached",
    "ListenInvalid",
    "Listener",
    "ListenerNotFound",
    "Match",
    "PayloadInvalid",
    "PolicyDenied",
    "RequestInvalid",
    "RoleDenied",
    "SendInvalid",
    "Sent",
    "ServerError",
    "Session",
    "SessionEnded",
    "SessionIdConflict",
    "SessionNotConnected",
    "SessionNotFound",
    "ShuttingDown",
    "SocketNotConnected",
    "StreamGap",
    "StreamStalled",
    "TransportError",
    "UdpError",
    "UdpSendFailed",
    "UdpSocket",
    "Unauthenticated",
    "Unavailable",
    "Violation",
    "WaitForInvalid",
    "WriteOffsetMismatch",
    "aio",
    "encode",
    "errors",
    "stream",
    "types",
]
