"""Request and response: several callers share one connection, and each gets its own answer.

python3 request_response.py --port 2323
"""

import argparse
import asyncio
import os

from socket_gateway.aio import Gateway, Session


async def ask(session: Session, question: str) -> str:
    # The session's turn goes from caller to caller, first come, first served.
    answer = await session.exchange(question, wait_for=f"{question}$", timeout=30)
    return f"{question!r} was answered by {answer.match!r}"


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=2323, help="a server that repeats what it is told")
    options.add_argument("--callers", type=int, default=5)
    chosen = options.parse_args()
    async with Gateway(chosen.gateway) as gateway:
        async with await gateway.connect(chosen.host, chosen.port, mode="line") as session:
            questions = (f"question {number}" for number in range(1, chosen.callers + 1))
            for said in await asyncio.gather(*(ask(session, question) for question in questions)):
                print(said)


asyncio.run(main())
