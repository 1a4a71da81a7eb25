"""The channel, its stubs and its stream: what sessions, listeners and sockets of one gateway object share."""

from __future__ import annotations

import asyncio
import uuid
import weakref
from collections.abc import Coroutine
from typing import Any, Optional, TypeVar, Union

import grpc
import grpc.aio

from .. import errors
from .._attachment import Attachment
from .._channel import TLS, Token, call_metadata, open_channel
from .._gen.tcpip.v1 import session_service_pb2_grpc, socket_gateway_service_pb2_grpc
from .._inbox import Inbox

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


class Connection:
    """Shared by everything that a gateway object made."""

    def __init__(
        self,
        target: str,
        subscriber: Optional[str],
        token: Optional[Token],
        tls: Union[bool, TLS, grpc.ChannelCredentials, None],
        patience: Optional[float],
    ) -> None:
        self.target = target
        self.subscriber = subscriber or f"python-{uuid.uuid4()}"
        self.patience = patience
        self.loop = asyncio.get_running_loop()
        self._token = token
        self.channel = open_channel(target, tls)
        # The stubs are typed for the other API; here their calls are awaited.
        self.gateway: Any = socket_gateway_service_pb2_grpc.SocketGatewayServiceStub(self.channel)
        self.sessions: Any = session_service_pb2_grpc.SessionServiceStub(self.channel)
        self.attachment = Attachment(self.gateway.Attach, self.subscriber, self.metadata, patience, target)
        self.router = self.attachment.router
        #: What this object opened, or accepted, and has not seen the end of.
        self.opened: dict[str, Inbox] = {}
        self.background: set[asyncio.Task[None]] = set()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        return call_metadata(self._token)

    async def call(self, method: Any, request: Any, *, repeat: bool = False) -> Any:
        """One call, once the stream is attached.

        With `repeat` it is made again where the gateway was lost on the way, as long as the patience lasts.

        Raises:
            GatewayError: as the gateway says; Unavailable where it was lost.
        """
        pause, since = _FIRST_PAUSE, self.loop.time()
        while True:
            await self.attachment.ready()
            try:
                return await method(request, metadata=self.metadata())
            except grpc.RpcError as failed:
                error = errors.from_call(failed)
            if not repeat or error.code is not grpc.StatusCode.UNAVAILABLE or error.reason:
                raise error
            if self.patience is not None and self.loop.time() - since >= self.patience:
                raise error
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def opens(self, inbox: Inbox) -> None:
        """Remembers what is to be closed with the gateway object."""
        self.opened = {key: known for key, known in self.opened.items() if known.closed is None}
        self.opened[inbox.session_id] = inbox

    def in_background(self, work: Any) -> None:
        """Does something that nobody waits for, and that must not be lost."""
        task: asyncio.Task[None] = self.loop.create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    def release_with(self, owner: object, inbox: Inbox) -> None:
        """Once nobody holds `owner`, what comes for the inbox is kept no longer than its session lives."""
        inbox.hold()
        weakref.finalize(owner, _let_go, self.loop, inbox).atexit = False


def _let_go(loop: asyncio.AbstractEventLoop, inbox: Inbox) -> None:
    # Objects may go in any thread.
    if not loop.is_closed():
        loop.call_soon_threadsafe(inbox.let_go)


async def until(work: Coroutine[Any, Any, T], timeout: float, what: str) -> T:
    """Does something for as long as the caller said.

    It runs as a task of its own, so it must look by itself whether what it waits for has happened by then.
    """
    try:
        return await asyncio.wait_for(work, timeout)
    except asyncio.TimeoutError:
        # Its own type in Python 3.9 and 3.10, the built-in one later.
        raise TimeoutError(f"{what} within {timeout:g} s") from None
