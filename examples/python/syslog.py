"""Collects syslog messages over UDP and TCP, and prints them with facility and severity.

python3 syslog.py --port 5514
logger --server 127.0.0.1 --port 5514 --udp "hello"

Over TCP a message is a line (RFC 6587, non-transparent framing).
"""

import argparse
import asyncio
import contextlib
import os
import re

from socket_gateway import GatewayError
from socket_gateway.aio import Gateway, Listener, Session, UdpSocket

SEVERITIES = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
PRIORITY = re.compile(r"<(\d{1,3})>(.*)", re.DOTALL)


def show(sender: str, message: str) -> None:
    found = PRIORITY.fullmatch(message)
    if found is None or int(found[1]) > 191:
        print(f"{sender} no syslog: {message!r}", flush=True)
        return
    facility, severity = divmod(int(found[1]), 8)
    print(f"{sender} facility {facility} {SEVERITIES[severity]}: {found[2].rstrip()}", flush=True)


async def datagrams(socket: UdpSocket) -> None:
    async for datagram in socket:
        if datagram.dropped_before:
            print(f"{datagram.dropped_before} datagrams were dropped", flush=True)
        show(f"udp {datagram.host}", datagram.text)


async def lines(session: Session) -> None:
    sender = f"tcp {session.peer[0] if session.peer else '?'}"
    try:
        async with session:
            async for line in session.lines():
                show(sender, line)
    except GatewayError as error:
        print(f"{sender} was lost: {error}", flush=True)


async def connections(listener: Listener) -> None:
    senders = set()
    async for session in listener:
        sender = asyncio.create_task(lines(session))
        senders.add(sender)
        sender.add_done_callback(senders.discard)


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
    options.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    options.add_argument("--port", type=int, default=5514, help="0: any that is free (default: %(default)s)")
    chosen = options.parse_args()
    async with Gateway(chosen.gateway) as gateway:
        udp = await gateway.udp_in(chosen.port, host=chosen.host)
        tcp = await gateway.listen(chosen.port, host=chosen.host, mode="line")
        print(f"listening on {udp.host}: udp {udp.port}, tcp {tcp.port}", flush=True)
        await asyncio.gather(datagrams(udp), connections(tcp))


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
