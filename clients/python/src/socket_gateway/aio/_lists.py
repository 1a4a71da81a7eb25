"""Lists, page by page, and the watch."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import grpc.aio

from .. import errors
from .._gen.tcpip.v1 import envelope_pb2 as _envelope
from .._gen.tcpip.v1 import session_service_pb2 as _sessions
from ._connection import Connection


async def sessions(
    connection: Connection, subscriber: str, listener_id: str, page_size: int
) -> AsyncIterator[_sessions.Session]:
    """All live sessions."""
    request = _sessions.ListSessionsRequest(subscriber=subscriber, listener_id=listener_id, page_size=page_size)
    while True:
        page = await connection.call(connection.sessions.ListSessions, request, repeat=True)
        for session in page.sessions:
            yield session
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def listeners(connection: Connection, page_size: int) -> AsyncIterator[_sessions.Listener]:
    """All listeners."""
    request = _sessions.ListListenersRequest(page_size=page_size)
    while True:
        page = await connection.call(connection.sessions.ListListeners, request, repeat=True)
        for listener in page.listeners:
            yield listener
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def subscribers(connection: Connection, page_size: int) -> AsyncIterator[_sessions.Subscriber]:
    """All subscribers."""
    request = _sessions.ListSubscribersRequest(page_size=page_size)
    while True:
        page = await connection.call(connection.sessions.ListSubscribers, request, repeat=True)
        for subscriber in page.subscribers:
            yield subscriber
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def watch(connection: Connection) -> AsyncIterator[_sessions.WatchResponse]:
    """The snapshot, then the changes."""
    await connection.attachment.ready()
    request = _sessions.WatchRequest()
    request.heartbeat_interval.seconds = 20
    call = connection.sessions.Watch(request, metadata=connection.metadata())
    try:
        while True:
            change = await call.read()
            if change is grpc.aio.EOF:
                return
            if change.kind != _sessions.CHANGE_KIND_UNSPECIFIED:
                yield change
    except grpc.RpcError as failed:
        raise errors.from_call(failed) from None
    finally:
        call.cancel()


def ends(session: _sessions.Session) -> _envelope.Connected:
    """Both ends of a session, as its `connected` told them."""
    return _envelope.Connected(
        remote_host=session.remote_host,
        remote_port=session.remote_port,
        local_host=session.local_host,
        local_port=session.local_port,
    )
