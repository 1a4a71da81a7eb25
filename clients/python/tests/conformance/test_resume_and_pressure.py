"""Resume, back-pressure, UDP, and what lives in the gateway: C60 to C94."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Iterator

import pytest
from harness import (
    HOST,
    PATIENCE,
    FarEnd,
    GatewayProcess,
    Raw,
    eventually,
    following,
    local_port,
    pattern,
    relayed,
    running,
    subscriber_named,
    within,
)

from socket_gateway import (
    CloseReason,
    GatewayError,
    InstanceChanged,
    SessionEnded,
    SessionNotConnected,
    SessionNotFound,
    SocketNotConnected,
    aio,
)
from socket_gateway._gen.tcpip.v1 import envelope_pb2 as envelopes
from socket_gateway._gen.tcpip.v1 import session_service_pb2 as sessions
from socket_gateway._gen.tcpip.v1 import socket_gateway_service_pb2 as pb
from socket_gateway.aio import Gateway, Session

scenario = pytest.mark.scenario
BIG = 64 * 1024 * 1024


@contextlib.contextmanager
def own_udp_socket() -> Iterator[socket.socket]:
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind((HOST, 0))
    own.settimeout(PATIENCE)
    try:
        yield own
    finally:
        own.close()


@scenario("C60-resume")
async def test_a_killed_connection_is_not_noticed(process: GatewayProcess, gateway: Gateway, far: FarEnd) -> None:
    async with relayed(far, process.port) as (behind, relay):
        session = await behind.connect(HOST, far["answers"], mode="line")
        await session.send("one")
        assert await session.readline(30) == "re: one"
        assert (await far.order("cut", relay=relay))["connections"] >= 1
        await far.order("say", port=local_port(session), text="while away\r\n")
        assert await session.readline(30) == "while away"
        await session.send("two")
        assert await session.readline(30) == "re: two"
        shown = await subscriber_named(gateway, behind.subscriber)
        assert shown is not None and shown.streams == 1 and shown.acknowledged
        await session.close()


@scenario("C61-resume-refused")
async def test_neither_is_a_gateway_that_is_unreachable_for_a_while(process: GatewayProcess, far: FarEnd) -> None:
    async with relayed(far, process.port) as (behind, relay):
        session = await behind.connect(HOST, far["answers"], mode="line")
        await session.send("one")
        assert await session.readline(30) == "re: one"
        before = int((await far.order("relayed", relay=relay))["accepted"])
        await far.order("refuse", relay=relay)
        for word in ("a", "b", "c"):
            await far.order("say", port=local_port(session), text=f"{word}\r\n")

        async def tried_again() -> bool:
            return int((await far.order("relayed", relay=relay))["accepted"]) >= before + 2

        await eventually("the client has tried again", tried_again)
        await far.order("accept", relay=relay)
        assert [await session.readline(30) for _ in range(3)] == ["a", "b", "c"]
        await session.send("two")
        assert await session.readline(30) == "re: two"
        await session.close()


@scenario("C62-resume-in-a-flood")
async def test_cuts_in_the_middle_of_ten_megabytes_lose_and_double_nothing(
    process: GatewayProcess, far: FarEnd
) -> None:
    size = 10_000_000
    async with relayed(far, process.port) as (behind, relay):
        session = await behind.connect(HOST, far["source"])
        await session.send(f"{size}\n")
        back, cuts = bytearray(), 0
        async for chunk in session.chunks(30):
            back += chunk
            if len(back) >= (cuts + 1) * 2_000_000 and cuts < 4:
                cuts += 1
                await far.order("cut", relay=relay)
        assert cuts == 4 and len(back) == size and back == pattern(size)


@scenario("C63-restart")
async def test_a_restarted_gateway_is_told_loudly(far: FarEnd) -> None:
    with running() as first:
        async with relayed(far, first.port) as (behind, relay):
            session = await behind.connect(HOST, far["answers"], mode="line")
            listener = await behind.listen(host=HOST)
            first.kill()
            with running() as second:
                await far.order("target", relay=relay, port=second.port)
                with pytest.raises(InstanceChanged):
                    await session.readline(30)
                with pytest.raises(InstanceChanged):
                    await listener.accept(30)
                assert session.closed is not None and session.closed.reason is CloseReason.LOST
                with pytest.raises(SessionNotFound):
                    await session.send("x")
                fresh = await behind.connect(HOST, far["echo"], mode="line")
                await fresh.send("anew")
                assert await fresh.readline(30) == "anew"
                await fresh.close()


@scenario("C64-shutdown")
async def test_a_gateway_that_stops_says_so(far: FarEnd) -> None:
    with running() as stopping:
        async with Gateway(stopping.address, patience=5) as gateway:
            session = await gateway.connect(HOST, far["silent"], mode="line")
            stopping.terminate()
            assert (await session.wait_closed(30)).reason is CloseReason.SHUTDOWN
            with pytest.raises(SessionEnded):
                await session.readline(30)
            assert await asyncio.to_thread(stopping.wait) == 0


async def flooded(gateway: Gateway, far: FarEnd) -> Session:
    """A session that has stopped its peer, because nobody reads it."""
    session = await gateway.connect(HOST, far["source"])
    await session.send(f"{BIG}\n")

    async def paused() -> bool:
        return (await gateway.get_session(session.id)).read_paused

    await eventually("reading is paused", paused)
    return session


@scenario("C70-slow-reader")
async def test_a_reader_that_does_not_read_stops_its_peer_and_loses_nothing(gateway: Gateway, far: FarEnd) -> None:
    session = await flooded(gateway, far)
    last = -1

    async def stopped() -> bool:
        nonlocal last
        await asyncio.sleep(0.5)
        before, last = last, int((await far.order("look", port=local_port(session)))["sent"])
        return before == last

    await eventually("the source is stopped", stopped)
    assert 0 < last < BIG / 2
    at = 0
    async for chunk in session.chunks(60):
        assert chunk == pattern(len(chunk), at)
        at += len(chunk)
    assert at == BIG


@scenario("C71-slow-reader-alone")
async def test_it_holds_up_no_other_session(gateway: Gateway, far: FarEnd) -> None:
    slow = [await flooded(gateway, far) for _ in range(3)]
    async with await gateway.connect(HOST, far["answers"], mode="line") as session:
        assert str(await session.exchange("first")) == "re: first"
        for number in range(100):
            await session.send(f"line {number}")
            assert await session.readline(30) == f"re: line {number}"
    for flood in slow:
        assert flood.closed is None
        await flood.abort()
        assert (await flood.wait_closed(30)).reason is CloseReason.ABORT


@scenario("C72-slow-peer")
async def test_a_peer_that_does_not_read_holds_up_nobody_else(gateway: Gateway, far: FarEnd) -> None:
    stuck = await gateway.connect(HOST, far["stuck"])
    writing = asyncio.create_task(stuck.write(pattern(BIG // 2)))

    async def waits() -> bool:
        return (await gateway.get_session(stuck.id)).queued_send_bytes > 0

    await eventually("the sends wait", waits)
    async with await gateway.connect(HOST, far["answers"], mode="line") as session:
        for number in range(100):
            await session.send(f"line {number}")
            assert await session.readline(30) == f"re: line {number}"
    await stuck.abort()
    with pytest.raises((SocketNotConnected, SessionNotConnected, SessionNotFound)):
        await within(writing)


@scenario("C80-udp-reply")
async def test_a_datagram_is_answered_from_the_port_it_came_to(gateway: Gateway, far: FarEnd) -> None:
    with own_udp_socket() as own:
        async with await gateway.udp_in(host=HOST) as bound:
            own.sendto(b"ping", (HOST, bound.port))
            datagram = await bound.receive(30)
            assert (datagram.address, datagram.data) == (own.getsockname(), b"ping")
            await bound.reply(datagram, "pong")
            assert await asyncio.to_thread(own.recvfrom, 100) == (b"pong", (HOST, bound.port))
            await bound.send_to(HOST, far["udp_echo"], bytes(range(256)))
            back = await bound.receive(30)
            assert (back.data, back.port) == (bytes(range(256)), far["udp_echo"])


@scenario("C81-udp-modes")
async def test_datagrams_are_text_or_bytes_and_may_be_empty(gateway: Gateway) -> None:
    with own_udp_socket() as own:
        async with await gateway.udp_in(host=HOST, mode="utf8") as bound:
            for payload in ("grüß".encode(), b"\xff\xfe", b""):
                own.sendto(payload, (HOST, bound.port))
            text, data, empty = [await bound.receive(30) for _ in range(3)]
            assert (text.text, text.is_text, len(text.data)) == ("grüß", True, 6)
            assert (data.data, data.is_text) == (b"\xff\xfe", False)
            assert empty.data == b""


@scenario("C82-multicast")
async def test_a_groups_members_get_what_is_sent_to_it(gateway: Gateway) -> None:
    group = ("239.255.77.77", HOST)
    async with (
        await gateway.udp_in(host="0.0.0.0", groups=[group]) as one,
        await gateway.udp_in(one.port, host="0.0.0.0", groups=[group]) as two,
    ):
        assert one.groups == two.groups == ("239.255.77.77",)
        await gateway.udp_out(group[0], one.port, "to all", multicast_interface=HOST)
        for member in (one, two):
            assert (await member.receive(30)).data == b"to all"


@scenario("C83-udp-out")
async def test_a_datagram_from_a_fresh_socket(gateway: Gateway) -> None:
    async with await gateway.udp_in(host=HOST) as bound:
        assert (await gateway.udp_out(HOST, bound.port, "once")).size == 4
        assert (await bound.receive(30)).data == b"once"


@scenario("C90-lists")
async def test_sessions_listeners_and_subscribers_are_listed(gateway: Gateway, far: FarEnd) -> None:
    listener = await gateway.listen(host=HOST)
    session = await gateway.connect(HOST, far["silent"])
    bound = await gateway.udp_in(host=HOST)
    for page_size in (0, 1):
        shown = {
            shown.session_id: (shown.kind, shown.state)
            async for shown in gateway.list_sessions(subscriber=gateway.subscriber, page_size=page_size)
        }
        assert shown == {
            session.id: (sessions.SESSION_KIND_TCP_OUTBOUND, sessions.SESSION_STATE_CONNECTED),
            bound.id: (sessions.SESSION_KIND_UDP, sessions.SESSION_STATE_LISTENING),
        }
    assert listener.id in [shown.listener_id async for shown in gateway.list_listeners()]
    subscriber = await subscriber_named(gateway, gateway.subscriber)
    assert subscriber is not None and (subscriber.streams, subscriber.acknowledged) == (1, True)
    await asyncio.gather(session.close(), bound.close(), listener.close())


@scenario("C91-watch")
async def test_a_watcher_sees_the_snapshot_and_the_changes(gateway: Gateway, far: FarEnd) -> None:
    one = await gateway.connect(HOST, far["silent"])
    watch = gateway.watch()
    begin = await within(following(watch))
    assert begin.kind == sessions.CHANGE_KIND_SNAPSHOT_BEGIN
    added = []
    while (change := await within(following(watch))).kind != sessions.CHANGE_KIND_SNAPSHOT_END:
        assert change.kind == sessions.CHANGE_KIND_ADDED
        added.append(change.session.session_id)
    assert one.id in added
    two = await gateway.connect(HOST, far["silent"])

    async def until(kind: int) -> None:
        while True:
            change = await within(following(watch))
            if change.session.session_id == two.id and change.kind == kind:
                return

    await until(sessions.CHANGE_KIND_ADDED)
    await two.close()
    await until(sessions.CHANGE_KIND_REMOVED)
    await watch.aclose()  # type: ignore[attr-defined]
    await one.close()


@scenario("C92-plain-subscribe")
async def test_the_plain_stream_delivers_the_same(raw: Raw, far: FarEnd) -> None:
    name = f"plain-{uuid.uuid4()}"
    call = raw.gateway.Subscribe(pb.SubscribeRequest(subscriber=name))
    start = await within(call.read())
    assert start.start.next_sequence == 1
    opened = await raw.gateway.TcpConnect(
        pb.TcpConnectRequest(host=HOST, port=far["answers"], subscriber=name, mode=pb.TCP_MODE_LINE)
    )
    await raw.gateway.TcpSend(
        pb.TcpSendRequest(
            session_id=opened.session_id,
            payload=[pb.PayloadItem(text="plain")],
            line_terminator=pb.LINE_TERMINATOR_LF,
        )
    )
    got: list[envelopes.Envelope] = []
    while len(got) < 3:
        got += (await within(call.read())).envelopes
    assert [(envelope.event, envelope.sequence) for envelope in got] == [
        (envelopes.EVENT_CONNECTING, 1),
        (envelopes.EVENT_CONNECTED, 2),
        (envelopes.EVENT_DATA, 3),
    ]
    assert got[2].data.text == "re: plain"
    await raw.gateway.TcpDisconnect(pb.TcpDisconnectRequest(session_id=opened.session_id))
    while got[-1].event != envelopes.EVENT_DISCONNECTED:
        got += (await within(call.read())).envelopes
    assert {envelope.event for envelope in got[3:]} <= {envelopes.EVENT_DISCONNECTING, envelopes.EVENT_DISCONNECTED}
    call.cancel()


@scenario("C93-attach-commands")
async def test_sends_disconnects_and_datagrams_go_through_attach(raw: Raw, far: FarEnd) -> None:
    name = f"attach-{uuid.uuid4()}"
    call = raw.gateway.Attach()
    await call.write(pb.AttachRequest(subscribe=pb.AttachSubscribe(subscription=pb.SubscribeRequest(subscriber=name))))
    await within(call.read())
    opened = await raw.gateway.TcpConnect(
        pb.TcpConnectRequest(host=HOST, port=far["answers"], subscriber=name, mode=pb.TCP_MODE_LINE)
    )

    def send(to: str) -> pb.TcpSendRequest:
        payload = [pb.PayloadItem(text="up")]
        return pb.TcpSendRequest(session_id=to, payload=payload, line_terminator=pb.LINE_TERMINATOR_LF)

    datagram = pb.UdpOutRequest(host=HOST, port=far["udp_echo"], payload=pb.PayloadItem(text="x"))
    await call.write(pb.AttachRequest(correlation_id=1, tcp_send=send(opened.session_id)))
    await call.write(pb.AttachRequest(correlation_id=2, udp_out=datagram))
    await call.write(pb.AttachRequest(correlation_id=3, tcp_send=send("nobody")))
    answers: dict[int, pb.Answer] = {}
    lines: list[str] = []
    ended = False

    async def read() -> None:
        nonlocal ended
        response = await within(call.read())
        answers.update((answer.correlation_id, answer) for answer in response.answers)
        for envelope in response.envelopes:
            if envelope.event == envelopes.EVENT_DATA:
                lines.append(envelope.data.text)
            ended = ended or envelope.event == envelopes.EVENT_DISCONNECTED

    while len(answers) < 3 or not lines:
        await read()
    assert lines == ["re: up"]
    assert answers[1].tcp_send.chunk_count == 1 and answers[2].udp_out.bytes == 1
    assert answers[3].error.error_code == "SESSION_NOT_FOUND"
    hang_up = pb.TcpDisconnectRequest(session_id=opened.session_id)
    await call.write(pb.AttachRequest(correlation_id=4, tcp_disconnect=hang_up))
    while 4 not in answers or not ended:
        await read()
    assert answers[4].tcp_disconnect.event == envelopes.EVENT_DISCONNECTING
    call.cancel()


@scenario("C94-close")
async def test_closing_the_gateway_object_leaves_nothing_attached(
    process: GatewayProcess, gateway: Gateway, far: FarEnd
) -> None:
    name = f"close-{uuid.uuid4()}"
    other = aio.Gateway(process.address, subscriber=name, keep_sessions=True)
    await other.open()
    session = await other.connect(HOST, far["silent"])
    reading = asyncio.create_task(session.read())
    await asyncio.sleep(0)
    await other.close()

    async def detached() -> bool:
        shown = await subscriber_named(gateway, name)
        return shown is not None and shown.streams == 0

    await eventually("no stream is attached", detached)
    with pytest.raises(GatewayError):
        await within(reading)
    # It was kept, and the next one of this name finds it.
    async with aio.Gateway(process.address, subscriber=name) as again:
        found = await again.session(session.id)
        await found.close()
