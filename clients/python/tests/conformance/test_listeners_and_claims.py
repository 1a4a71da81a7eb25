"""Listeners, claims, timeouts and retries: C30 to C51."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from harness import HOST, FarEnd, Raw, eventually, following, local_port, within

from socket_gateway import CloseReason, ConnectFailed, Event, EventKind, GatewayTimeout, WriteOffsetMismatch
from socket_gateway._gen.tcpip.v1 import session_service_pb2 as sessions
from socket_gateway._gen.tcpip.v1 import socket_gateway_service_pb2 as pb
from socket_gateway.aio import Gateway, Session
from socket_gateway.aio.gateway import Gateway as AnyGateway

scenario = pytest.mark.scenario


async def all_events(session: Session) -> list[Event]:
    return [event async for event in session.events()]


@scenario("C30-listen")
async def test_a_listener_accepts_sessions_and_serves_them(gateway: Gateway, far: FarEnd) -> None:
    listener = await gateway.listen(host=HOST, mode="line", end="\r\n")
    assert listener.id.startswith("lstn-") and listener.port != 0
    visitors = []
    for number in range(3):
        reader, writer = await asyncio.open_connection(HOST, listener.port)
        writer.write(f"visitor {number}\n".encode())
        visitors.append((writer.get_extra_info("sockname")[1], number, reader, writer))
    accepted = {}
    for _ in visitors:
        session = await listener.accept(30)
        assert session.peer is not None
        accepted[session.peer[1]] = session
    for port, number, reader, writer in visitors:
        session = accepted[port]
        assert await session.readline(30) == f"visitor {number}"
        await session.send(f"hello {number}")
        assert await within(reader.readline()) == f"hello {number}\r\n".encode()
        writer.close()
        assert (await session.wait_closed(30)).reason is CloseReason.PEER_CLOSED
    await listener.close()
    assert [session async for session in listener] == []
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, listener.port)


@scenario("C31-unlisten-with-sessions")
async def test_closing_a_listener_with_its_sessions_closes_them(gateway: Gateway) -> None:
    listener = await gateway.listen(host=HOST)
    visitors = [await asyncio.open_connection(HOST, listener.port) for _ in range(2)]
    accepted = [await listener.accept(30) for _ in visitors]
    assert await listener.close(close_sessions=True) == 2
    for _, writer in visitors:
        writer.close()
    for session in accepted:
        assert (await session.wait_closed(30)).reason is CloseReason.BY_REQUEST


@scenario("C32-claims")
async def test_the_answer_comes_to_who_sent_last(gateway: Gateway, process: object, far: FarEnd) -> None:
    async with AnyGateway(gateway._target) as other:
        mine = await gateway.connect(HOST, far["answers"], mode="line")
        theirs = await other.session(mine.id)
        await mine.send("one")
        assert await mine.readline(30) == "re: one"
        await theirs.send("two")
        assert await theirs.readline(30) == "re: two"
        await mine.send("three")
        assert await mine.readline(30) == "re: three"
        shown = await gateway.get_session(mine.id)
        assert shown.lifecycle_subscriber == shown.data_subscriber == gateway.subscriber
        assert shown.claim_generation >= 2
        assert not mine._inbox.data and not theirs._inbox.data
        await mine.disconnect()
        assert (await mine.wait_closed(30)).reason is CloseReason.BY_REQUEST


@scenario("C33-claim-data")
async def test_a_claim_moves_without_a_send(gateway: Gateway, far: FarEnd) -> None:
    async with AnyGateway(gateway._target) as other:
        mine = await gateway.connect(HOST, far["answers"], mode="line")
        theirs = await other.session(mine.id)
        assert await theirs.claim() == gateway.subscriber
        await far.order("say", port=local_port(mine), text="news\r\n")
        assert await theirs.readline(30) == "news"
        await mine.close()


@scenario("C34-send-without-claim")
async def test_a_send_that_leaves_the_claim_alone(gateway: Gateway, far: FarEnd) -> None:
    async with AnyGateway(gateway._target) as other:
        mine = await gateway.connect(HOST, far["answers"], mode="line")
        theirs = await other.session(mine.id)
        await theirs.send("x", claim=False)
        assert await mine.readline(30) == "re: x"
        await mine.close()


@scenario("C40-inactivity-keeps")
async def test_a_dialled_session_that_is_silent_tells_it_and_stays(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["answers"], mode="line", timeout=0.3) as session:
        async for event in session.events():
            if event.kind is EventKind.TIMEOUT:
                assert isinstance(event.error, GatewayTimeout)
                break
        await session.send("still here")
        assert await session.readline(30) == "re: still here"


@scenario("C41-inactivity-closes")
async def test_an_accepted_one_is_closed(gateway: Gateway, far: FarEnd) -> None:
    listener = await gateway.listen(host=HOST, timeout=0.3)
    _, writer = await asyncio.open_connection(HOST, listener.port)
    accepted = await listener.accept(30)
    dialled = await gateway.connect(HOST, far["silent"], timeout=0.3, on_timeout="close")
    for session in (accepted, dialled):
        assert (await session.wait_closed(30)).reason is CloseReason.TIMEOUT
        assert EventKind.TIMEOUT in [event.kind for event in await all_events(session)]
    writer.close()
    await listener.close()


@scenario("C42-connect-timeout")
async def test_a_dial_that_takes_too_long_fails(gateway: Gateway, far: FarEnd) -> None:
    with pytest.raises(ConnectFailed) as failed:
        await gateway.connect(HOST, far["blackhole"], connect_timeout=0.3)
    assert failed.value.code.name == "DEADLINE_EXCEEDED"
    assert failed.value.session_id
    assert (failed.value.metadata["host"], failed.value.metadata["port"]) == (HOST, str(far["blackhole"]))


@scenario("C43-no-wait")
async def test_a_dial_that_is_not_waited_for(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["echo"], wait=False)
    events = session.events()
    assert [(await within(following(events))).kind for _ in range(2)] == [EventKind.CONNECTING, EventKind.CONNECTED]
    await session.send("x")
    assert await session.read_exactly(1, 30) == b"x"
    await session.close()
    refused = await gateway.connect(HOST, far["refused"], wait=False)
    told = await within(all_events(refused))
    assert [event.kind for event in told] == [EventKind.CONNECTING, EventKind.ERROR, EventKind.DISCONNECTED]
    assert isinstance(told[1].error, ConnectFailed) and told[1].error.errno == "ECONNREFUSED"
    assert refused.closed is not None and refused.closed.reason is CloseReason.ERROR
    assert refused.closed.error is told[1].error


@scenario("C44-orphaned")
async def test_what_nobody_listens_to_is_closed(raw: Raw, far: FarEnd) -> None:
    name = f"orphan-{uuid.uuid4()}"
    request = pb.TcpConnectRequest(host=HOST, port=far["silent"], subscriber=name)
    request.orphan_timeout.nanos = 500_000_000
    opened = await raw.gateway.TcpConnect(request)
    await far.order("wait", port=opened.connected.local_port)

    async def gone() -> bool:
        return not (await raw.sessions.ListSessions(sessions.ListSessionsRequest(subscriber=name))).sessions

    await eventually("the session is gone", gone)


@scenario("C50-request-id")
async def test_a_retry_with_the_same_request_id_opens_nothing_new(raw: Raw, far: FarEnd) -> None:
    name = str(uuid.uuid4())
    dial = pb.TcpConnectRequest(host=HOST, port=far["silent"], subscriber=name, request_id=f"dial-{name}")
    dialled = [(await raw.gateway.TcpConnect(dial)).session_id for _ in range(2)]
    listen = pb.TcpListenRequest(host=HOST, subscriber=name, request_id=f"listen-{name}")
    listening = [(await raw.gateway.TcpListen(listen)).listener_id for _ in range(2)]
    bind = pb.UdpInRequest(host=HOST, subscriber=name, request_id=f"bind-{name}")
    bound = [(await raw.gateway.UdpIn(bind)).session_id for _ in range(2)]
    assert dialled[0] == dialled[1] and listening[0] == listening[1] and bound[0] == bound[1]
    for session_id in (dialled[0], bound[0]):
        await raw.gateway.TcpDisconnect(pb.TcpDisconnectRequest(session_id=session_id))
    await raw.gateway.TcpUnlisten(pb.TcpUnlistenRequest(listener_id=listening[0]))


@scenario("C51-write-offset")
async def test_a_send_that_expects_another_offset_is_refused(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["sink"])
    assert (await session.send("abc", expected_write_offset=0)).write_offset == 3
    with pytest.raises(WriteOffsetMismatch) as refused:
        await session.send("abc", expected_write_offset=0)
    assert refused.value.code.name == "FAILED_PRECONDITION" and refused.value.write_offset == 3
    await session.close()
    assert (await far.order("wait", port=local_port(session)))["received"] == 3
