"""A server for GPS trackers that connect and report their position as NMEA 0183 sentences.

python3 gps_tracker.py --port 5020

Prints a line for each position. Sentences with a wrong checksum are reported and passed over.
"""

import argparse
import asyncio
import contextlib
import functools
import operator
import os

from socket_gateway import GatewayError
from socket_gateway.aio import Gateway, Session


def checked(sentence: str) -> "list[str]":
    """The fields of a sentence, whose checksum must be right: the exclusive or of what is between $ and *."""
    body, star, checksum = sentence.removeprefix("$").partition("*")
    if not sentence.startswith("$") or not star:
        raise ValueError("no NMEA sentence")
    if functools.reduce(operator.xor, body.encode()) != int(checksum, 16):
        raise ValueError("wrong checksum")
    return body.split(",")


def degrees(value: str, hemisphere: str) -> float:
    """ddmm.mmmm as degrees."""
    point = value.index(".")
    whole, minutes = value[: point - 2], value[point - 2 :]
    return (int(whole) + float(minutes) / 60) * (-1 if hemisphere in "SW" else 1)


async def track(session: Session) -> None:
    tracker = "{}:{}".format(*(session.peer or ("?", 0)))
    try:
        async with session:
            async for sentence in session.lines():
                try:
                    fields = checked(sentence)
                    if fields[0][2:] == "GGA" and fields[6] != "0":
                        latitude, longitude = degrees(*fields[2:4]), degrees(*fields[4:6])
                        print(f"{tracker} at {latitude:.5f} {longitude:.5f}, {fields[7]} satellites", flush=True)
                except (ValueError, IndexError) as error:
                    print(f"{tracker} sent {sentence!r}: {error}", flush=True)
    except GatewayError as error:
        # A tracker that drives into a tunnel: the timeout has closed its session.
        print(f"{tracker} is gone: {error}", flush=True)


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
    options.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    options.add_argument("--port", type=int, default=5020, help="0: any that is free (default: %(default)s)")
    options.add_argument("--silence", type=float, default=300, help="seconds until a silent tracker is hung up on")
    chosen = options.parse_args()
    async with Gateway(chosen.gateway) as gateway:
        listener = await gateway.listen(chosen.port, host=chosen.host, mode="line", timeout=chosen.silence)
        print(f"listening on {listener.host}:{listener.port}", flush=True)
        trackers = set()
        async for session in listener:
            tracker = asyncio.create_task(track(session))
            trackers.add(tracker)
            tracker.add_done_callback(trackers.discard)


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
