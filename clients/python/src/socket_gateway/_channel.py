"""How the one channel to the gateway is made: credentials, keepalive, retries, the caller's token."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

import grpc
import grpc.aio

#: A token, or what gives one for each call (so that it can be renewed).
Token = Union[str, Callable[[], str]]
Pem = Union[str, Path, bytes]

_GATEWAY = "tcpip.v1.SocketGatewayService"
_SESSIONS = "tcpip.v1.SessionService"

# Repeating these does no harm: what opens something carries a request id, and what asks changes nothing. A send is
# repeated by the session, which knows where its stream stands; an exchange and a datagram never are.
_REPEATABLE = (
    *((_GATEWAY, method) for method in ("TcpConnect", "TcpListen", "UdpIn", "TcpDisconnect")),
    *((_SESSIONS, method) for method in ("ListSessions", "GetSession", "ListListeners", "ListSubscribers")),
)
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": service, "method": method} for service, method in _REPEATABLE],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    # A connection that died without a word is noticed within half a minute, also while nothing is going on.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A stream that broke should be back soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Two gateway objects are two connections, so that neither waits for the other's bytes.
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True)
class TLS:
    """How to encrypt the way to the gateway.

    Certificates and keys are PEM: the bytes themselves, or the path of a file.
    """

    #: The authorities to trust; None: those of the system.
    ca: Optional[Pem] = None
    #: The client's certificate and key, where the gateway asks for one.
    cert: Optional[Pem] = None
    key: Optional[Pem] = None
    #: The name the gateway's certificate is for, where that is not the target's.
    server_name: Optional[str] = None

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC makes of it."""
        return grpc.ssl_channel_credentials(
            root_certificates=_pem(self.ca), private_key=_pem(self.key), certificate_chain=_pem(self.cert)
        )


def _pem(source: Optional[Pem]) -> Optional[bytes]:
    if source is None or isinstance(source, bytes):
        return source
    return Path(source).read_bytes()


def open_channel(target: str, tls: Union[bool, TLS, grpc.ChannelCredentials, None]) -> grpc.aio.Channel:
    """The channel; nothing is connected yet. To be called where an event loop runs."""
    options = list(_OPTIONS)
    if tls is None or tls is False:
        return grpc.aio.insecure_channel(target, options=options)
    if tls is True:
        tls = TLS()
    if isinstance(tls, TLS):
        if tls.server_name:
            options.append(("grpc.ssl_target_name_override", tls.server_name))
        tls = tls.credentials()
    return grpc.aio.secure_channel(target, tls, options=options)


def call_metadata(token: Optional[Token]) -> tuple[tuple[str, str], ...]:
    """What goes with every call."""
    if token is None:
        return ()
    return (("authorization", f"Bearer {token if isinstance(token, str) else token()}"),)
