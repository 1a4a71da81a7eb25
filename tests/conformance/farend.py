#!/usr/bin/env python3
"""The far end of the conformance suite: every peer a scenario talks to, in one process.

Prints one line of JSON with its ports once all of them are bound, and ends when its standard input does. Needs Python 3.9
or newer and nothing else. README.md beside this file lists the peers and the commands of the control port.

    python3 tests/conformance/farend.py
    {"host": "127.0.0.1", "control": 40001, "echo": 40002, …}
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import struct
import sys
from typing import Any, Awaitable, Callable, Dict, List, Optional

HOST = "127.0.0.1"
PIECE = 64 * 1024
PATTERN_PERIOD = 251
PATTERN = bytes(range(PATTERN_PERIOD)) * (PIECE // PATTERN_PERIOD + 2)
LONG_LINE = 70_000
# The peers that never read keep the kernel's own buffers small, so that a sender is stopped early.
STUCK_RECEIVE_BUFFER = 16 * 1024
CONTROL_LINE_LIMIT = 1 << 20

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Peer = Callable[["Connection"], Awaitable[None]]


def pattern(offset: int, size: int) -> bytes:
    """The bytes of the pattern from `offset` on: byte i is i modulo 251. At most PIECE of them."""
    start = offset % PATTERN_PERIOD
    return PATTERN[start : start + size]


class Connection:
    """One connection that a peer serves, and what went through it."""

    def __init__(self, peer: str, reader: Reader, writer: Writer) -> None:
        self.peer = peer
        self.reader = reader
        self.writer = writer
        self.port: int = writer.get_extra_info("peername")[1]
        self.received = 0
        self.sent = 0
        self.hash = hashlib.sha256()
        self.ended = asyncio.Event()
        self.outcome = "open"

    async def read(self, size: int = PIECE) -> bytes:
        return self._took(await self.reader.read(size))

    async def line(self) -> Optional[str]:
        """The next line without its end; None at the end of the connection."""
        line = self._took(await self.reader.readline())
        if not line.endswith(b"\n"):
            return None
        return line.rstrip(b"\r\n").decode(errors="replace")

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        self.sent += len(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Ends it with RST."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    def report(self) -> Dict[str, Any]:
        return {
            "peer": self.peer,
            "port": self.port,
            "received": self.received,
            "sent": self.sent,
            "sha256": self.hash.hexdigest(),
            "outcome": self.outcome,
        }

    def _took(self, data: bytes) -> bytes:
        self.received += len(data)
        self.hash.update(data)
        return data


# The peers. Each ends by returning: the connection is closed then.


async def echo(connection: Connection) -> None:
    while data := await connection.read():
        await connection.write(data)


async def sink(connection: Connection) -> None:
    while await connection.read():
        pass


async def source(connection: Connection) -> None:
    asked = await connection.line()
    size = int(asked or "0")
    while connection.sent < size:
        await connection.write(pattern(connection.sent, min(PIECE, size - connection.sent)))


async def silent(connection: Connection) -> None:
    await sink(connection)


async def stuck(connection: Connection) -> None:
    connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.Event().wait()


async def greeter(connection: Connection) -> None:
    await connection.write(b"hello 1\r\nhello 2\r\nready> ")
    await sink(connection)


async def closer(connection: Connection) -> None:
    await connection.write(b"bye\r\n")


async def half_closer(connection: Connection) -> None:
    await connection.write(b"half\r\n")
    connection.writer.write_eof()
    await sink(connection)


async def resetter(connection: Connection) -> None:
    if await connection.read(1):
        connection.reset()


async def long_line(connection: Connection) -> None:
    await connection.line()
    await connection.write(b"x" * LONG_LINE)
    await sink(connection)


async def answers(connection: Connection) -> None:
    while (asked := await connection.line()) is not None:
        word, _, rest = asked.partition(" ")
        if word == "mute":
            continue
        if word == "part":
            await connection.write(rest.encode())
            continue
        if word == "wait":
            seconds, _, rest = rest.partition(" ")
            await asyncio.sleep(float(seconds))
            asked = rest
        await connection.write(f"re: {asked}\r\n".encode())


async def bbs(connection: Connection) -> None:
    await connection.write(b"Welcome to the far end\r\nlogin: ")
    while True:
        name = await connection.line()
        if name is None:
            return
        await connection.write(b"password: ")
        password = await connection.line()
        if password is None:
            return
        if password == "secret":
            break
        await connection.write(b"\r\nLogin incorrect\r\nlogin: ")
    await connection.write(f"\r\nHello, {name}\r\nmenu> ".encode())
    answer = {"list": b"one\r\ntwo\r\nthree\r\n", "time": b"12:34:56\r\n", "latin": b"caf\xe9\r\n"}
    while (command := await connection.line()) not in (None, "quit"):
        await connection.write(answer.get(str(command), f"unknown: {command}\r\n".encode()) + b"menu> ")
    await connection.write(b"Goodbye\r\n")


PEERS: Dict[str, Peer] = {
    "echo": echo,
    "sink": sink,
    "source": source,
    "silent": silent,
    "stuck": stuck,
    "greeter": greeter,
    "closer": closer,
    "half_closer": half_closer,
    "resetter": resetter,
    "long_line": long_line,
    "answers": answers,
    "bbs": bbs,
}


class Relay:
    """Passes connections on to a target until told to cut, refuse or pause."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.refusing = False
        self.running = asyncio.Event()
        self.running.set()
        self.writers: List[Writer] = []
        self.port = 0
        self.accepted = 0
        self._server: Optional[asyncio.AbstractServer] = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> int:
        """Resets both sides of every connection; says how many connections there were."""
        count = len(self.writers)
        for writer in self.writers:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self.writers.clear()
        return count // 2

    async def _pass_on(self, reader: Reader, writer: Writer) -> None:
        self.accepted += 1
        if self.refusing:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = [writer, there_writer]
        self.writers.extend(pair)
        await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        for end in pair:
            if end in self.writers:
                self.writers.remove(end)
            end.close()

    async def _pump(self, reader: Reader, writer: Writer) -> None:
        try:
            while True:
                await self.running.wait()
                data = await reader.read(PIECE)
                await self.running.wait()
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            writer.transport.abort()


class FarEnd:
    def __init__(self) -> None:
        self.ports: Dict[str, Any] = {"host": HOST}
        self.connections: Dict[int, Connection] = {}
        self.relays: List[Relay] = []
        self.arrived = asyncio.Condition()
        self.held: List[Any] = []

    async def open(self) -> None:
        for name, peer in PEERS.items():
            listener = socket.socket()
            if name == "stuck":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STUCK_RECEIVE_BUFFER)
            listener.bind((HOST, 0))
            # The limit is how much a peer reads ahead of its own code; lines are shorter.
            server = await asyncio.start_server(self._serving(name, peer), sock=listener, backlog=1024, limit=PIECE)
            self._bound(name, server)
        self._bound("control", await asyncio.start_server(self._control, HOST, 0, limit=CONTROL_LINE_LIMIT))
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(UdpEcho, local_addr=(HOST, 0))
        self.held.append(transport)
        self.ports["udp_echo"] = transport.get_extra_info("sockname")[1]
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(HOST, 0))
        self.held.append(transport)
        self.ports["udp_silent"] = transport.get_extra_info("sockname")[1]
        self._refuse()
        await self._swallow()

    def _bound(self, name: str, server: asyncio.AbstractServer) -> None:
        self.held.append(server)
        self.ports[name] = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]

    def _refuse(self) -> None:
        """A port that is taken and does not listen: connecting to it is refused, for certain."""
        taken = socket.socket()
        taken.bind((HOST, 0))
        self.held.append(taken)
        self.ports["refused"] = taken.getsockname()[1]

    async def _swallow(self) -> None:
        """A port whose queue is full: the kernel drops every further SYN, so connecting to it takes for ever."""
        full = socket.socket()
        full.bind((HOST, 0))
        full.listen(0)
        port = full.getsockname()[1]
        self.held.append(full)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((HOST, port))
            self.held.append(filler)
        self.ports["blackhole"] = port

    def _serving(self, name: str, peer: Peer) -> Callable[[Reader, Writer], Awaitable[None]]:
        async def serve(reader: Reader, writer: Writer) -> None:
            connection = Connection(name, reader, writer)
            self.connections[connection.port] = connection
            async with self.arrived:
                self.arrived.notify_all()
            try:
                await peer(connection)
                connection.outcome = "closed"
            except (OSError, asyncio.IncompleteReadError, ValueError):
                connection.outcome = "broken"
            finally:
                connection.ended.set()
                writer.close()

        return serve

    async def _control(self, reader: Reader, writer: Writer) -> None:
        while line := await reader.readline():
            try:
                order = json.loads(line)
                answer = await self._obey(order.pop("cmd"), order)
            except Exception as error:  # whatever is wrong with an order is told to who gave it
                answer = {"error": f"{type(error).__name__}: {error}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _obey(self, command: str, order: Dict[str, Any]) -> Dict[str, Any]:
        if command == "relay":
            relay = Relay(order.get("host", HOST), order["port"])
            await relay.open()
            self.relays.append(relay)
            return {"relay": len(self.relays) - 1, "port": relay.port}
        if command in ("cut", "refuse", "accept", "pause", "resume", "target", "relayed"):
            return self._order_relay(command, self.relays[order["relay"]], order)
        connection = await self._connection(order["port"], order.get("timeout", 30))
        if command == "reset":
            connection.reset()
            return {}
        if command == "say":
            await connection.write(order["text"].encode())
            return {}
        if command == "look":
            return connection.report()
        if command == "wait":
            await asyncio.wait_for(connection.ended.wait(), order.get("timeout", 30))
            return connection.report()
        raise ValueError(f"no such command: {command}")

    def _order_relay(self, command: str, relay: Relay, order: Dict[str, Any]) -> Dict[str, Any]:
        answer: Dict[str, Any] = {}
        if command == "cut":
            answer["connections"] = relay.cut()
        elif command == "refuse":
            relay.refusing = True
            answer["connections"] = relay.cut()
        elif command == "accept":
            relay.refusing = False
        elif command == "pause":
            relay.running.clear()
        elif command == "resume":
            relay.running.set()
        elif command == "target":
            relay.target = (order.get("host", HOST), order["port"])
        elif command == "relayed":
            answer = {"open": len(relay.writers) // 2, "accepted": relay.accepted}
        return answer

    async def _connection(self, port: int, timeout: float) -> Connection:
        """The newest connection that came from this port; waits for it, because the dialler may know of it first."""
        async with self.arrived:
            await asyncio.wait_for(self.arrived.wait_for(lambda: port in self.connections), timeout)
        return self.connections[port]


class UdpEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


async def until_stdin_ends() -> None:
    # A thread, because not every kind of standard input can be polled.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


async def main() -> None:
    far_end = FarEnd()
    await far_end.open()
    print(json.dumps(far_end.ports), flush=True)
    await until_stdin_ends()
    # At once: peers that wait for ever, and open connections, end with the process.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
