"""The dialogue with a bulletin board, which asks for a command whenever it is ready, without ending that line.

python3 bbs.py --host bbs.example --port 23 LIST "READ 2" QUIT
"""

import argparse
import os

from socket_gateway import AnswerEnd, Gateway

# It matches the unfinished line as well: a prompt has no line end.
PROMPT = "^ENTER COMMAND"

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
options.add_argument("--host", default="127.0.0.1")
options.add_argument("--port", type=int, default=23)
options.add_argument("commands", nargs="*", default=["LIST", "READ 2", "QUIT"])
chosen = options.parse_args()

with Gateway(chosen.gateway) as gateway:
    # The first prompt comes unasked. From then on each command and its answer are one exchange.
    with gateway.connect(chosen.host, chosen.port, mode="line", end="\r\n", wait_for=PROMPT) as session:
        greeting = session.read_match(timeout=30)
        if greeting is None:
            raise SystemExit("the board hung up before it said anything")
        print(*greeting.lines, sep="\n")
        for command in chosen.commands:
            answer = session.exchange(command, wait_for=PROMPT)
            print(f"> {command}", *answer.frames, sep="\n")
            if answer.end is AnswerEnd.PEER_CLOSED:
                break
