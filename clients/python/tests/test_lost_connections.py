"""Calls whose connection is lost on the way, and calls that are given up."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest
from harness import HOST, FarEnd, GatewayProcess, eventually, pattern, relayed, running, subscriber_named, within

from socket_gateway import GatewayClosed, SessionNotFound, Unavailable
from socket_gateway.aio import Gateway


async def test_sends_across_cuts_are_neither_lost_nor_doubled(process: GatewayProcess, far: FarEnd) -> None:
    async with relayed(far, process.port) as (behind, relay):
        session = await behind.connect(HOST, far["echo"])

        async def write() -> None:
            for number in range(400):
                await session.send(pattern(1000, number * 1000))

        writer = asyncio.create_task(write())
        back, cuts = bytearray(), 0
        async for chunk in session.chunks(30):
            back += chunk
            if len(back) >= 400_000:
                break
            # Each cut comes after some progress, so that the slowest machine gets to the end.
            if len(back) > (cuts + 1) * 10_000:
                cuts = len(back) // 10_000
                await far.order("cut", relay=relay)
        await writer
        assert back == pattern(400_000)
        assert (await session.send(b"x")).write_offset == 400_001
        await session.close()


async def test_an_exchange_whose_connection_is_lost_says_so_and_is_not_repeated(
    process: GatewayProcess, far: FarEnd
) -> None:
    async with relayed(far, process.port) as (behind, relay):
        session = await behind.connect(HOST, far["answers"], mode="line")
        asking = asyncio.create_task(session.exchange("mute", timeout=30))
        async with Gateway(process.address) as direct:

            async def active() -> bool:
                return (await direct.get_session(session.id)).exchange_active

            await eventually("the exchange has the turn", active)
        await far.order("cut", relay=relay)
        with pytest.raises(Unavailable):
            await within(asking)
        await session.close()


async def test_a_connect_that_is_given_up_leaves_no_session(gateway: Gateway, far: FarEnd) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(gateway.connect(HOST, far["blackhole"], session_id="given-up"), 0.3)

    async def gone() -> bool:
        try:
            await gateway.get_session("given-up")
        except SessionNotFound:
            return True
        return False

    await eventually("the session is gone", gone)


async def test_a_reading_step_that_is_cancelled_loses_nothing(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["answers"], mode="line") as session:
        lines = session.lines()
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(lines.__anext__(), 0.02)
        await session.send("x")
        assert await within(lines.__anext__()) == "re: x"


async def test_what_is_done_while_the_gateway_is_away_waits_for_it(process: GatewayProcess, far: FarEnd) -> None:
    async with relayed(far, process.port) as (behind, relay):
        await far.order("refuse", relay=relay)
        before = int((await far.order("relayed", relay=relay))["accepted"])
        connecting = asyncio.create_task(behind.connect(HOST, far["echo"]))

        async def tried() -> bool:
            return int((await far.order("relayed", relay=relay))["accepted"]) > before

        await eventually("the client tries again", tried)
        assert not connecting.done()
        await far.order("accept", relay=relay)
        session = await within(connecting)
        await session.close()


async def test_a_gateway_that_stays_away_is_given_up_after_the_patience(process: GatewayProcess, far: FarEnd) -> None:
    async with relayed(far, process.port, patience=0.5) as (behind, relay):
        session = await behind.connect(HOST, far["silent"], orphan_timeout=1)
        reading = asyncio.create_task(session.read())
        await far.order("refuse", relay=relay)
        with pytest.raises(Unavailable, match="no gateway could be reached"):
            await within(reading)
        with pytest.raises(Unavailable):
            await behind.connect(HOST, far["silent"])


async def test_opening_closing_and_using_in_the_wrong_order(process: GatewayProcess, far: FarEnd) -> None:
    gateway = Gateway(process.address)
    await gateway.close()
    with pytest.raises(RuntimeError, match="not open"):
        await gateway.connect(HOST, 1)
    await gateway.open()
    await gateway.open()
    await gateway.close()
    await gateway.close()
    with pytest.raises(GatewayClosed):
        await gateway.connect(HOST, far["silent"])


async def test_what_was_read_is_not_delivered_again_to_the_next_object_of_the_name(
    process: GatewayProcess, far: FarEnd
) -> None:
    name = "handed-on"
    async with Gateway(process.address, subscriber=name, keep_sessions=True) as first:
        session_id = (await first.connect(HOST, far["answers"], mode="line")).id
    for number in range(10):
        async with Gateway(process.address, subscriber=name, keep_sessions=True) as again:
            session = await again.session(session_id)
            await session.send(f"{number}")
            assert await session.readline(30) == f"re: {number}"
    async with Gateway(process.address, subscriber=name) as last:
        await (await last.session(session_id)).close()


async def test_nothing_is_left_unread_when_all_have_ended(gateway: Gateway, far: FarEnd) -> None:
    for _ in range(20):
        session = await gateway.connect(HOST, far["closer"])
        await session.wait_closed(30)
    del session
    gc.collect()

    async def empty() -> bool:
        shown = await subscriber_named(gateway, gateway.subscriber)
        return shown is not None and shown.backlog_bytes == 0 and shown.backlog_envelopes == 0

    await eventually("the backlog is empty", empty)


async def test_a_listener_that_nobody_accepts_from_stops_accepting() -> None:
    with running("limits.subscriber_events=50") as small:
        async with Gateway(small.address) as gateway:
            listener = await gateway.listen(host=HOST)
            visitors = [await asyncio.open_connection(HOST, listener.port) for _ in range(200)]
            last = -1

            async def stopped() -> bool:
                nonlocal last
                await asyncio.sleep(0.3)
                before = last
                [shown] = [shown async for shown in gateway.list_listeners()]
                last = shown.accepted
                return before == last

            await eventually("no more are accepted", stopped)
            assert last <= 51
            accepted = [await listener.accept(30) for _ in visitors]
            assert len({session.id for session in accepted}) == 200
            for _, writer in visitors:
                writer.close()
            await asyncio.gather(*(session.wait_closed(30) for session in accepted))


async def test_a_break_is_logged_and_its_end_too(
    process: GatewayProcess, far: FarEnd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "socket_gateway")
    async with relayed(far, process.port) as (behind, relay):
        await far.order("cut", relay=relay)

        async def resumed() -> bool:
            return "resumed the stream" in caplog.text

        await eventually("it is resumed", resumed)
        assert "broke" in caplog.text
        assert behind.subscriber
