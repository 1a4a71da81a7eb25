"""Every error code: E01 to E30."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Optional

import grpc
import pytest
from harness import HOST, FarEnd, Raw, eventually, following, local_port, pattern, raw_stubs, running, within

from socket_gateway import CloseReason, EventKind, GatewayError, Unavailable, errors
from socket_gateway._gen.tcpip.v1 import session_service_pb2 as sessions
from socket_gateway._gen.tcpip.v1 import socket_gateway_service_pb2 as pb
from socket_gateway.aio import Gateway
from socket_gateway.errors import from_call

scenario = pytest.mark.scenario
Work = Any


async def fails(
    kind: type[GatewayError],
    code: str,
    work: Work,
    *metadata: str,
    fields: Optional[set[str]] = None,
    errno: Optional[str] = None,
) -> GatewayError:
    """Awaits the work, which must fail as said."""
    with pytest.raises(GatewayError) as failed:
        await within(work)
    error = failed.value
    assert type(error) is kind, repr(error)
    assert error.code.name == code and error.reason == kind._reason and str(error)
    for key in metadata:
        assert error.metadata.get(key), f"{key} is missing in {error!r}"
    if fields is not None:
        assert fields == {violation.field for violation in error.violations}
        assert all(violation.description for violation in error.violations)
    if errno is not None:
        assert error.errno == errno
    return error


async def status_of(call: Any) -> GatewayError:
    """How a raw call ends."""
    with pytest.raises(grpc.RpcError) as failed:
        await within(call)
    return from_call(failed.value)


async def read_to_its_end(call: Any) -> GatewayError:
    """How a raw stream ends."""

    async def read() -> None:
        while await call.read() is not grpc.aio.EOF:
            pass

    return await status_of(read())


@scenario("E01-connect-invalid")
async def test_connect_invalid(gateway: Gateway) -> None:
    fields = {"host", "port"}
    await fails(errors.ConnectInvalid, "INVALID_ARGUMENT", gateway.connect("", 70000), fields=fields)


@scenario("E02-session-id-conflict")
async def test_session_id_conflict(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["silent"]) as session:
        again = gateway.connect(HOST, far["silent"], session_id=session.id)
        error = await fails(errors.SessionIdConflict, "ALREADY_EXISTS", again, "sessionId")
        assert error.session_id == session.id


@scenario("E03-connect-failed")
async def test_connect_failed(gateway: Gateway, far: FarEnd) -> None:
    dial = gateway.connect(HOST, far["refused"])
    names = ("host", "port", "sessionId")
    await fails(errors.ConnectFailed, "FAILED_PRECONDITION", dial, *names, errno="ECONNREFUSED")
    await fails(errors.ConnectFailed, "FAILED_PRECONDITION", gateway.connect("nobody.invalid", 1), *names)


@scenario("E04-listen-invalid")
async def test_listen_invalid(gateway: Gateway) -> None:
    await fails(errors.ListenInvalid, "INVALID_ARGUMENT", gateway.listen(70000), fields={"port"})


@scenario("E05-server-error")
async def test_server_error(gateway: Gateway, far: FarEnd) -> None:
    bind = gateway.listen(far["echo"], host=HOST)
    await fails(errors.ServerError, "FAILED_PRECONDITION", bind, "host", "port", errno="EADDRINUSE")


@scenario("E06-session-not-found")
async def test_session_not_found(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["silent"])
    await session.close()
    error = await fails(errors.SessionNotFound, "NOT_FOUND", session.send("x"), "sessionId")
    assert error.session_id == session.id
    await fails(errors.SessionNotFound, "NOT_FOUND", gateway.session("nobody"), "sessionId")


@scenario("E07-listener-not-found")
async def test_listener_not_found(gateway: Gateway, raw: Raw) -> None:
    await_unlisten = raw.gateway.TcpUnlisten(pb.TcpUnlistenRequest(listener_id="nobody"))
    error = await status_of(await_unlisten)
    assert isinstance(error, errors.ListenerNotFound) and error.metadata["listenerId"] == "nobody"
    assert error.code is grpc.StatusCode.NOT_FOUND
    await fails(errors.ListenerNotFound, "NOT_FOUND", gateway.listener("nobody"), "listenerId")


@scenario("E08-session-not-connected")
async def test_session_not_connected(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["blackhole"], wait=False)
    await fails(errors.SessionNotConnected, "FAILED_PRECONDITION", session.send("x"), "sessionId", "state")
    await session.abort()
    await session.wait_closed(30)


@scenario("E09-socket-not-connected")
async def test_socket_not_connected(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["stuck"])
    sends = [asyncio.create_task(session.send(pattern(1_000_000))) for _ in range(12)]

    async def waits() -> bool:
        return (await gateway.get_session(session.id)).queued_send_bytes > 0

    await eventually("the sends wait", waits)
    await far.order("reset", port=local_port(session))
    outcomes = await within(asyncio.gather(*sends, return_exceptions=True))
    died = [outcome for outcome in outcomes if isinstance(outcome, errors.SocketNotConnected)]
    assert died
    for error in died:
        assert error.code.name == "ABORTED" and error.session_id == session.id
        assert error.items_written == 0 and "itemsWritten" in error.metadata


@scenario("E10-payload-invalid")
async def test_payload_invalid(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["silent"]) as session:
        await fails(errors.PayloadInvalid, "INVALID_ARGUMENT", session.send())
        await fails(errors.PayloadInvalid, "INVALID_ARGUMENT", session.send(b""))


@scenario("E11-wait-for-invalid")
async def test_wait_for_invalid(gateway: Gateway, far: FarEnd) -> None:
    dial = gateway.connect(HOST, far["echo"], mode="line", wait_for="(")
    await fails(errors.WaitForInvalid, "INVALID_ARGUMENT", dial)


@scenario("E12-send-invalid")
async def test_send_invalid(gateway: Gateway) -> None:
    await fails(errors.SendInvalid, "INVALID_ARGUMENT", gateway.udp_out("", 9, "x"), fields={"host"})


@scenario("E13-udp-send-failed")
async def test_udp_send_failed(gateway: Gateway) -> None:
    send = gateway.udp_out("127.255.255.255", 9, "x")
    await fails(errors.UdpSendFailed, "FAILED_PRECONDITION", send, "host", "port", "errno")


@scenario("E14-udp-error")
async def test_udp_error(gateway: Gateway) -> None:
    bind = gateway.udp_in(host="192.0.2.1")
    await fails(errors.UdpError, "FAILED_PRECONDITION", bind, errno="EADDRNOTAVAIL")


@scenario("E15-timeout")
async def test_timeout(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["silent"], mode="line") as session:
        asking = session.exchange("x", timeout=0.2)
        await fails(errors.GatewayTimeout, "DEADLINE_EXCEEDED", asking, "sessionId")


@scenario("E16-transport-error")
async def test_transport_error(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["silent"])
    await far.order("reset", port=local_port(session))
    async for event in session.events():
        if event.kind is EventKind.ERROR:
            assert isinstance(event.error, errors.TransportError) and event.error.errno == "ECONNRESET"
            return
    raise AssertionError("no error event")


@scenario("E17-frame-too-long")
async def test_frame_too_long(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["long_line"], mode="line")
    await fails(errors.FrameTooLong, "RESOURCE_EXHAUSTED", session.exchange("go"))
    assert (await session.wait_closed(30)).reason is CloseReason.ERROR


@scenario("E18-limit-reached")
async def test_limit_reached() -> None:
    with running("limits.listeners=1") as small:
        async with Gateway(small.address) as gateway, await gateway.listen(host=HOST):
            error = await fails(errors.LimitReached, "RESOURCE_EXHAUSTED", gateway.listen(host=HOST), "limit")
            assert isinstance(error, errors.LimitReached)
            assert error.limit is not None and error.limit.endswith("listeners")
            assert error.metadata["value"] == "1"


@scenario("E19-policy-denied")
async def test_policy_denied(far: FarEnd) -> None:
    with running("policy.profile=internet") as strict:
        async with Gateway(strict.address) as gateway:
            dial = gateway.connect(HOST, far["echo"])
            error = await fails(errors.PolicyDenied, "PERMISSION_DENIED", dial, "rule")
            assert isinstance(error, errors.PolicyDenied) and error.rule


@scenario("E20-write-offset-mismatch")
async def test_write_offset_mismatch(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["silent"]) as session:
        sending = session.send("x", expected_write_offset=7)
        error = await fails(errors.WriteOffsetMismatch, "FAILED_PRECONDITION", sending, "writeOffset")
        assert error.metadata["writeOffset"] == "0"


@scenario("E21-request-invalid")
async def test_request_invalid(gateway: Gateway) -> None:
    listing = following(gateway.list_sessions(page_size=5000))
    await fails(errors.RequestInvalid, "INVALID_ARGUMENT", listing, fields={"page_size"})


@scenario("E22-instance-changed")
async def test_instance_changed(raw: Raw) -> None:
    resume = pb.Resume(instance_id="another", epoch="x")
    call = raw.gateway.Subscribe(pb.SubscribeRequest(subscriber=f"instance-{uuid.uuid4()}", resume=resume))
    error = await status_of(call.read())
    assert isinstance(error, errors.InstanceChanged) and error.metadata["instanceId"]
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION


@scenario("E23-epoch-changed")
async def test_epoch_changed(raw: Raw) -> None:
    name = f"epoch-{uuid.uuid4()}"
    call = raw.gateway.Subscribe(pb.SubscribeRequest(subscriber=name))
    start = (await within(call.read())).start
    call.cancel()
    resume = pb.Resume(instance_id=start.instance_id, epoch="another")
    again = raw.gateway.Subscribe(pb.SubscribeRequest(subscriber=name, resume=resume))
    error = await status_of(again.read())
    assert isinstance(error, errors.EpochChanged) and error.metadata["epoch"] == start.epoch
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION


@scenario("E24-stream-stalled")
async def test_stream_stalled(far: FarEnd) -> None:
    small = ("limits.subscriber_backlog_bytes=65536", "limits.session_backlog_bytes=65536")
    with running("limits.stall_timeout=1s", *small) as impatient:
        relay = await far.order("relay", port=impatient.port)
        async with raw_stubs(impatient.address) as direct, raw_stubs(f"{HOST}:{relay['port']}") as behind:
            call = behind.gateway.Subscribe(pb.SubscribeRequest(subscriber="stalled"))
            await within(call.read())
            await far.order("pause", relay=relay["relay"])
            dial = pb.TcpConnectRequest(host=HOST, port=far["source"], subscriber="stalled")
            opened = await direct.gateway.TcpConnect(dial)
            ask = pb.TcpSendRequest(session_id=opened.session_id, payload=[pb.PayloadItem(text="67108864\n")])
            await direct.gateway.TcpSend(ask)

            async def paused() -> bool:
                shown = await direct.sessions.GetSession(sessions.GetSessionRequest(session_id=opened.session_id))
                return bool(shown.session.read_paused)

            await eventually("reading is paused", paused)
            # Only time makes a stall; it is looked for four times in each limit.
            await asyncio.sleep(4)
            await far.order("resume", relay=relay["relay"])
            error = await read_to_its_end(call)
            assert isinstance(error, errors.StreamStalled)
            assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@scenario("E25-shutting-down")
async def test_shutting_down() -> None:
    with running() as stopping:
        async with raw_stubs(stopping.address) as raw:
            call = raw.gateway.Subscribe(pb.SubscribeRequest(subscriber="witness"))
            await within(call.read())
            stopping.terminate()
            error = await read_to_its_end(call)
            assert isinstance(error, errors.ShuttingDown) and error.code is grpc.StatusCode.UNAVAILABLE


@scenario("E26-session-ended")
async def test_session_ended(gateway: Gateway, far: FarEnd) -> None:
    session = await gateway.connect(HOST, far["silent"], mode="line")
    asking = asyncio.create_task(session.exchange("x"))

    async def active() -> bool:
        return (await gateway.get_session(session.id)).exchange_active

    await eventually("the exchange has the turn", active)
    await session.abort()
    error = await fails(errors.SessionEnded, "ABORTED", asking, "sessionId", "closeReason")
    assert isinstance(error, errors.SessionEnded) and error.close_reason is CloseReason.ABORT


@scenario("E30-unreachable")
async def test_no_gateway_at_all(far: FarEnd) -> None:
    target = f"{HOST}:{far['refused']}"
    with pytest.raises(Unavailable) as failed:
        await within(Gateway(target, patience=1).open())
    assert target in str(failed.value) and failed.value.code.name == "UNAVAILABLE"
