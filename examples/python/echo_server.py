"""The TCP server flow: listens, greets who comes, sends each line back, and ends the connection on "bye".

python3 echo_server.py
telnet 127.0.0.1 2323
"""

import argparse
import asyncio
import contextlib
import os

from socket_gateway import GatewayError
from socket_gateway.aio import Gateway, Session


async def serve(session: Session) -> None:
    host, port = session.peer or ("somebody", 0)
    print(f"{host}:{port} came", flush=True)
    try:
        async with session:
            await session.send("Hello. I repeat what you say, until bye.")
            async for line in session.lines():
                if line == "bye":
                    await session.send("Good bye.")
                    break
                await session.send(line)
        print(f"{host}:{port} went", flush=True)
    except GatewayError as error:
        print(f"{host}:{port} was lost: {error}", flush=True)


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
    options.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    options.add_argument("--port", type=int, default=2323, help="0: any that is free (default: %(default)s)")
    chosen = options.parse_args()
    async with Gateway(chosen.gateway) as gateway:
        listener = await gateway.listen(chosen.port, host=chosen.host, mode="line", end="\r\n")
        print(f"listening on {listener.host}:{listener.port}", flush=True)
        visitors = set()
        async for session in listener:
            # Each has a task of its own, so that nobody waits for anybody else.
            visitor = asyncio.create_task(serve(session))
            visitors.add(visitor)
            visitor.add_done_callback(visitors.discard)


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
