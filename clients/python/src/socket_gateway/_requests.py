"""Python's values as the wire's. No I/O."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Literal, Optional, Union

from google.protobuf.duration_pb2 import Duration

from ._gen.tcpip.v1 import socket_gateway_service_pb2 as _gateway
from .types import Group, Item, encode

#: How what comes in is cut: as it arrives, or into lines.
Mode = Literal["binary", "line"]
#: What ends a text item that is sent.
LineEnd = Literal["", "\n", "\r\n", "\r"]
#: What happens when an inactivity timeout fires.
TimeoutAction = Literal["close", "keep"]
#: How datagrams are delivered.
UdpMode = Literal["binary", "utf8"]
#: What happens to a session whose exchange ended without its answer.
Unanswered = Literal["settle", "abort"]

_MODES = {"binary": _gateway.TCP_MODE_BINARY, "line": _gateway.TCP_MODE_LINE}
_ENDS = {
    "": _gateway.LINE_TERMINATOR_NONE,
    "\n": _gateway.LINE_TERMINATOR_LF,
    "\r\n": _gateway.LINE_TERMINATOR_CRLF,
    "\r": _gateway.LINE_TERMINATOR_CR,
}
_ACTIONS = {
    None: _gateway.TIMEOUT_ACTION_UNSPECIFIED,
    "close": _gateway.TIMEOUT_ACTION_CLOSE,
    "keep": _gateway.TIMEOUT_ACTION_KEEP,
}
_UDP_MODES = {"binary": _gateway.UDP_MODE_BINARY, "utf8": _gateway.UDP_MODE_UTF8}
_UNANSWERED = {"settle": _gateway.UNANSWERED_ACTION_SETTLE, "abort": _gateway.UNANSWERED_ACTION_ABORT}


def duration(seconds: Optional[float]) -> Optional[Duration]:
    """Seconds, or None for what is left to the gateway."""
    if seconds is None:
        return None
    if not isinstance(seconds, (int, float)):
        raise TypeError(f"a time must be a number of seconds, not {type(seconds).__name__}")
    nanoseconds = round(seconds * 1_000_000_000)
    return Duration(seconds=nanoseconds // 1_000_000_000, nanos=nanoseconds % 1_000_000_000)


def _choice(what: str, value: object, choices: dict[Any, Any]) -> Any:
    try:
        return choices[value]
    except (KeyError, TypeError):
        known = ", ".join(repr(choice) for choice in choices if choice is not None)
        raise ValueError(f"{what} is {value!r}; it must be one of {known}") from None


def tcp_mode(mode: str) -> Any:
    """How inbound bytes are delivered."""
    return _choice("mode", mode, _MODES)


def terminator(end: str) -> Any:
    """What follows each text item."""
    return _choice("end", end, _ENDS)


def timeout_action(action: Optional[str]) -> Any:
    """What an inactivity timeout does."""
    return _choice("on_timeout", action, _ACTIONS)


def udp_mode(mode: str) -> Any:
    """How datagrams are delivered."""
    return _choice("mode", mode, _UDP_MODES)


def unanswered(action: str) -> Any:
    """What happens to a session whose exchange ended without its answer."""
    return _choice("on_unanswered", action, _UNANSWERED)


def payload(items: Iterable[Item], end: str = "") -> list[_gateway.PayloadItem]:
    """The items of a send, the texts of which get this end."""
    return [payload_item(item, end) for item in items]


def payload_item(item: Item, end: str = "") -> _gateway.PayloadItem:
    """One item: text as text, everything else as bytes."""
    if isinstance(item, str):
        try:
            item.encode()
        except UnicodeEncodeError:
            # A line that came and is no UTF-8 (see types.encode) goes out as it came. The gateway ends only text.
            return _gateway.PayloadItem(bytes=encode(item) + end.encode())
        return _gateway.PayloadItem(text=item)
    if isinstance(item, (bytes, bytearray, memoryview)):
        return _gateway.PayloadItem(bytes=bytes(item))
    raise TypeError(f"only str and bytes can be sent, not {type(item).__name__}")


def group(spec: Union[str, Group, tuple[str, str]]) -> _gateway.MulticastGroup:
    """A multicast group: its address, or that and the interface to join on."""
    if isinstance(spec, Group):
        return _gateway.MulticastGroup(address=spec.address, interface=spec.interface)
    if isinstance(spec, str):
        return _gateway.MulticastGroup(address=spec)
    address, interface = spec
    return _gateway.MulticastGroup(address=address, interface=interface)


def new_session_id() -> str:
    """An id for a session, made here so that its envelopes have a place before the answer comes."""
    return f"sess-{uuid.uuid4()}"


def new_request_id() -> str:
    """An id for a call, so that a repetition of it opens nothing twice."""
    return f"req-{uuid.uuid4()}"
