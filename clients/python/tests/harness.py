"""The other parties of a test: the far end, gateways as processes, and raw stubs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Optional, TypeVar

import grpc.aio

from socket_gateway import aio
from socket_gateway._gen.tcpip.v1 import session_service_pb2_grpc, socket_gateway_service_pb2_grpc

ROOT = Path(__file__).resolve().parents[3]
FAR_END = ROOT / "tests/conformance/farend.py"
BINARY = Path(os.environ.get("SOCKET_GATEWAY_BIN") or ROOT / "target/debug/socket-gateway")
HOST = "127.0.0.1"
PATIENCE = 30.0

T = TypeVar("T")
PERIOD = bytes(range(251))


def pattern(size: int, offset: int = 0) -> bytes:
    """Byte i is i modulo 251."""
    start = offset % 251
    return (PERIOD * ((size + start) // 251 + 1))[start : start + size]


class FarEnd:
    """The peers of the conformance suite."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, str(FAR_END)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.ports: dict[str, int] = json.loads(self._process.stdout.readline())

    def __getitem__(self, peer: str) -> int:
        return self.ports[peer]

    async def order(self, cmd: str, **fields: Any) -> dict[str, Any]:
        """Gives an order on the control port."""
        reader, writer = await asyncio.open_connection(HOST, self.ports["control"])
        writer.write(json.dumps({"cmd": cmd, **fields}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), 2 * PATIENCE))
        writer.close()
        await writer.wait_closed()
        if "error" in answer:
            raise AssertionError(f"the far end: {answer['error']}")
        return answer

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()


class GatewayProcess:
    """A gateway on a port of its own."""

    def __init__(self, *settings: str, config: Optional[Path] = None) -> None:
        command = [str(BINARY), "serve", "--listen", f"{HOST}:0", "--log-format", "json"]
        if config is not None:
            command += ["--config", str(config)]
        for setting in settings:
            command += ["--set", setting]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SOCKET_GATEWAY_")}
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
        assert self._process.stderr is not None
        self._log: list[bytes] = []
        for line in self._process.stderr:
            self._log.append(line)
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if entry.get("message") == "socket-gateway is ready":
                    self.address: str = entry["address"]
                    break
        else:
            self._process.wait(PATIENCE)
            self._process.stderr.close()
            raise AssertionError(f"the gateway did not start: {b''.join(self._log).decode()}")
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line)

    @property
    def port(self) -> int:
        """The port of its gRPC server."""
        return int(self.address.rpartition(":")[2])

    def kill(self) -> None:
        """Ends it without a word."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def terminate(self) -> None:
        """Asks it to end."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait(2 * PATIENCE)

    def close(self) -> None:
        """Ends it, whatever its state."""
        if self._process.poll() is None:
            self.kill()
        self._reading.join(PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()


@contextlib.contextmanager
def running(*settings: str, config: Optional[Path] = None) -> Iterator[GatewayProcess]:
    """A gateway for one test."""
    process = GatewayProcess(*settings, config=config)
    try:
        yield process
    finally:
        process.close()


class Raw:
    """The generated stubs."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.gateway: Any = socket_gateway_service_pb2_grpc.SocketGatewayServiceStub(self.channel)
        self.sessions: Any = session_service_pb2_grpc.SessionServiceStub(self.channel)


@contextlib.asynccontextmanager
async def raw_stubs(address: str) -> AsyncIterator[Raw]:
    """The generated stubs, for one test."""
    raw = Raw(address)
    try:
        yield raw
    finally:
        await raw.channel.close()


@contextlib.asynccontextmanager
async def relayed(far: FarEnd, port: int, **options: Any) -> AsyncIterator[tuple[aio.Gateway, int]]:
    """A gateway object behind a relay, and the relay."""
    relay = await far.order("relay", port=port)
    async with aio.Gateway(f"{HOST}:{relay['port']}", **options) as gateway:
        yield gateway, relay["relay"]


async def eventually(what: str, check: Callable[[], Awaitable[Any]]) -> Any:
    """Waits until the check gives something true, and gives that."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        found = await check()
        if found:
            return found
        if loop.time() > deadline:
            raise AssertionError(f"not within {PATIENCE:g} s: {what}")
        await asyncio.sleep(0.02)


async def following(items: AsyncIterator[T]) -> T:
    """The next one."""
    return await items.__anext__()


def local_port(session: aio.Session) -> int:
    """The gateway's port of a session: what the far end knows it by."""
    assert session.local is not None
    return session.local[1]


async def within(work: Awaitable[Any]) -> Any:
    """Waits for something, but not for ever."""
    return await asyncio.wait_for(work, PATIENCE)


async def subscriber_named(gateway: aio.Gateway, name: str) -> Optional[Any]:
    """What ListSubscribers tells about one."""
    async for subscriber in gateway.list_subscribers():
        if subscriber.name == name:
            return subscriber
    return None
