"""Sessions and bytes, and exchanges: C01 to C24."""

from __future__ import annotations

import asyncio
import hashlib
import uuid

import pytest
from harness import HOST, FarEnd, eventually, following, local_port, pattern, within

from socket_gateway import AnswerEnd, CloseReason, EventKind, GatewayTimeout, SessionEnded, SessionNotFound, encode
from socket_gateway._gen.tcpip.v1 import session_service_pb2 as sessions
from socket_gateway.aio import Gateway

scenario = pytest.mark.scenario


@scenario("C01-connect-echo")
async def test_a_session_sends_and_gets_back_what_it_sent(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["echo"])
    assert session.id and session.peer == (HOST, far["echo"]) and local_port(session) != 0
    every_byte = bytes(range(256))
    await session.send(every_byte)
    assert await within(session.read_exactly(256)) == every_byte
    await session.disconnect()
    closed = await session.wait_closed(30)
    assert (closed.reason, closed.bytes_received, closed.bytes_sent) == (CloseReason.BY_REQUEST, 256, 256)
    with pytest.raises(SessionNotFound):
        await gateway.get_session(session.id)


@scenario("C02-forced-id")
async def test_a_session_takes_the_id_its_caller_gives_it(gateway: Gateway, far: FarEnd) -> None:
    name = f"forced-{uuid.uuid4()}"
    for _ in range(2):
        session = await gateway.connect(HOST, far["silent"], session_id=name)
        assert session.id == name
        assert (await gateway.get_session(name)).state == sessions.SESSION_STATE_CONNECTED
        await session.disconnect()
        await session.wait_closed(30)


@scenario("C03-lines")
async def test_line_mode_splits_at_every_line_end(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["echo"], mode="line") as session:
        for piece in (b"one\r", b"\ntwo\nth", b"ree\rfo", b"ur\r\n", b"\n"):
            await session.send(piece)
        await session.send(b"end\n")
        lines = [await session.readline(30) for _ in range(6)]
        assert lines == ["one", "two", "three", "four", "", "end"]


@scenario("C04-not-utf8")
async def test_a_line_that_is_no_utf8_comes_unaltered(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["bbs"], mode="line") as session:
        await session.exchange("anna", wait_for="password: ")
        await session.exchange("secret", wait_for="menu> ")
        await session.send("latin")
        async for line in session.lines(30):
            if "caf" in line:
                break
        assert encode(line).removeprefix(b"menu> ") == b"caf\xe9"


@scenario("C05-terminators")
async def test_text_ends_with_what_was_asked_for_and_bytes_with_nothing(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["sink"])
    await session.send("a", b"b", end="")
    await session.send("a", b"b", end="\n")
    await session.send("a", b"b", end="\r\n")
    await session.send("a", b"b", end="\r")
    await session.send("", end="\n")
    port = local_port(session)
    await session.close()
    sunk = await far.order("wait", port=port)
    expected = b"ab" + b"a\nb" + b"a\r\nb" + b"a\rb" + b"\n"
    assert (sunk["received"], sunk["sha256"]) == (len(expected), hashlib.sha256(expected).hexdigest())


@scenario("C06-items")
async def test_a_send_of_several_items_says_where_the_stream_stands(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["sink"]) as session:
        sent = await session.send("one", b"two", "three", end="\n")
        assert (sent.items, sent.write_offset) == (3, 13) and sent.message_id
        sent = await session.send(b"x")
        assert (sent.items, sent.write_offset) == (1, 14)


@scenario("C07-wait-for")
async def test_lines_are_collected_until_the_pattern_matches(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["bbs"], mode="line", wait_for="login: $")
    matches = session.matches(30)
    found = await following(matches)
    assert (found.lines, found.match) == (("Welcome to the far end",), "login: ")
    await session.send("anna", wait_for="^(?P<what>pass)word: ")
    found = await following(matches)
    assert (found.lines, found.match, found.captures, found.named) == ((), "password: ", ("pass",), {"what": "pass"})
    await session.send("secret", wait_for="menu> ")
    found = await following(matches)
    assert (found.lines, found.match) == (("", "Hello, anna"), "menu> ")
    await session.send("list")
    found = await following(matches)
    assert (found.lines, found.match) == (("one", "two", "three"), "menu> ")
    await session.send("quit", wait_for="")
    assert [line async for line in session.lines(30)] == ["Goodbye"]
    assert (await session.wait_closed(30)).reason is CloseReason.PEER_CLOSED


@scenario("C08-flushed")
async def test_what_was_collected_for_a_pattern_that_never_matched_is_handed_over(
    gateway: Gateway, far: FarEnd
) -> None:
    session = await gateway.connect(HOST, far["greeter"], mode="line", wait_for="never")

    async def all_received() -> bool:
        return (await gateway.get_session(session.id)).bytes_received == 25

    await eventually("all is received", all_received)
    await session.disconnect()
    flushed = [match async for match in session.matches(30)]
    assert len(flushed) == 1
    assert flushed[0].flushed and flushed[0].unfinished
    assert flushed[0].lines == ("hello 1", "hello 2", "ready> ")


@scenario("C09-ten-megabytes")
async def test_ten_megabytes_go_both_ways(gateway: Gateway, far: FarEnd) -> None:
    size = 10_000_000
    data = pattern(size)
    async with await gateway.connect(HOST, far["echo"]) as session:
        writing = asyncio.create_task(session.write(data))
        back = bytearray()
        async for chunk in session.chunks(30):
            back += chunk
            if len(back) >= size:
                break
        await writing
        assert back == data


@scenario("C10-big-download")
async def test_ten_megabytes_come_and_the_end_comes_last(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["source"])
    await session.send(b"10000000\n")
    back = b"".join([chunk async for chunk in session.chunks(30)])
    assert back == pattern(10_000_000)
    assert session.closed is not None
    assert (session.closed.reason, session.closed.bytes_received) == (CloseReason.PEER_CLOSED, 10_000_000)


@scenario("C11-disconnect-writes-all")
async def test_disconnect_closes_after_what_was_sent_is_written(gateway: Gateway, far: FarEnd) -> None:
    data = pattern(1_000_000)
    session = await gateway.connect(HOST, far["sink"])
    port = local_port(session)
    await session.send(data)
    await session.disconnect()
    closed = await session.wait_closed(30)
    assert (closed.reason, closed.bytes_sent) == (CloseReason.BY_REQUEST, len(data))
    sunk = await far.order("wait", port=port)
    assert sunk["outcome"] == "closed"
    assert (sunk["received"], sunk["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


@scenario("C12-abort")
async def test_abort_resets_the_connection(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["silent"])
    await session.abort()
    assert (await session.wait_closed(30)).reason is CloseReason.ABORT
    assert (await far.order("wait", port=local_port(session)))["outcome"] == "broken"


@scenario("C13-half-close")
async def test_after_the_peers_end_a_half_open_session_can_still_send(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["half_closer"], mode="line", allow_half_open=True)
    assert [line async for line in session.lines(30)] == ["half"]
    kinds = []
    async for event in session.events():
        kinds.append(event.kind)
        if event.kind is EventKind.HALF_CLOSED:
            break
    assert kinds == [EventKind.CONNECTING, EventKind.CONNECTED, EventKind.HALF_CLOSED]
    assert (await gateway.get_session(session.id)).state == sessions.SESSION_STATE_HALF_CLOSED
    await session.send(b"after\n")
    await session.disconnect()
    assert (await session.wait_closed(30)).reason is CloseReason.BY_REQUEST
    assert (await far.order("wait", port=local_port(session)))["received"] == 6


@scenario("C14-peer-closed")
async def test_without_it_a_session_ends_with_its_peer(gateway: Gateway, far: FarEnd) -> None:
    for peer, line in (("closer", "bye"), ("half_closer", "half")):
        session = await gateway.connect(HOST, far[peer], mode="line")
        assert [line async for line in session.lines(30)] == [line]
        assert (await session.wait_closed(30)).reason is CloseReason.PEER_CLOSED


@scenario("C15-peer-reset")
async def test_a_reset_is_told_as_one(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["resetter"])
    await session.send("x")
    with pytest.raises(SessionEnded) as broken:
        await session.read(timeout=30)
    assert broken.value.close_reason is CloseReason.PEER_RESET
    errors = [event.error async for event in session.events() if event.kind is EventKind.ERROR]
    assert [(error.reason, error.errno) for error in errors if error] == [("TRANSPORT_ERROR", "ECONNRESET")]
    assert session.closed is not None and session.closed.reason is CloseReason.PEER_RESET


@scenario("C16-five-hundred")
async def test_five_hundred_sessions_at_once(gateway: Gateway, far: FarEnd) -> None:
    gate = asyncio.Semaphore(50)
    everybody_has_it = asyncio.Event()
    have_it = 0

    async def one(number: int) -> CloseReason:
        nonlocal have_it
        async with gate:
            session = await gateway.connect(HOST, far["echo"], mode="line")
        await session.send(f"session {number}")
        assert await session.readline(60) == f"session {number}"
        have_it += 1
        if have_it == 500:
            everybody_has_it.set()
        await asyncio.wait_for(everybody_has_it.wait(), 120)
        await session.disconnect()
        return (await session.wait_closed(60)).reason

    reasons = await asyncio.gather(*(one(number) for number in range(500)))
    assert set(reasons) == {CloseReason.BY_REQUEST}


@scenario("C20-exchange")
async def test_an_exchange_answers_with_frames_match_and_captures(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["answers"], mode="line") as session:
        answer = await session.exchange("a", "b", "c", wait_for="^re: (c)$")
        assert (answer.frames, answer.match, answer.captures) == (("re: a", "re: b"), "re: c", ("c",))
        assert answer.end is AnswerEnd.MATCH
        answer = await session.exchange("d")
        assert (answer.frames, answer.match, answer.end) == (("re: d",), None, AnswerEnd.FRAME)
        assert str(answer) == "re: d"


@scenario("C21-exchange-turns")
async def test_callers_of_one_session_take_turns(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["answers"], mode="line") as session:

        async def ask(number: int) -> None:
            answer = await session.exchange(f"caller {number}", wait_for="^re: ")
            assert answer.match == f"re: caller {number}"

        await asyncio.gather(*(ask(number) for number in range(20)))


@scenario("C22-exchange-timeout")
async def test_a_late_answer_is_nobody_elses(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["answers"], mode="line") as session:
        with pytest.raises(GatewayTimeout) as failed:
            await session.exchange("wait 1 late", wait_for="^re: ", timeout=0.2)
        assert failed.value.code.name == "DEADLINE_EXCEEDED" and failed.value.session_id == session.id
        answer = await session.exchange("next", wait_for="^re: ")
        assert answer.match == "re: next"
        assert await session.readline(30) == "re: late"


@scenario("C23-exchange-greeting")
async def test_an_exchange_that_sends_nothing_waits_for_what_the_peer_says(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["bbs"], mode="line") as session:
        assert (await session.exchange(wait_for="login: $")).match == "login: "
        assert (await session.exchange("anna", wait_for="password: ")).match == "password: "
        answer = await session.exchange("wrong", wait_for="login: ")
        assert answer.frames == ("", "Login incorrect")
        await session.exchange("anna", wait_for="password: ")
        answer = await session.exchange("secret", wait_for="menu> ")
        assert answer.frames == ("", "Hello, anna")
        assert (await session.exchange("quit")).text.endswith("Goodbye")


@scenario("C24-exchange-peer-closed")
async def test_an_exchange_tells_that_the_peer_ended(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["source"])
    answer = await session.exchange("0", end="\n")
    assert (answer.end, answer.frames, answer.data) == (AnswerEnd.PEER_CLOSED, (), b"")
    assert (await session.wait_closed(30)).reason is CloseReason.PEER_CLOSED
