"""The TCP client flow: connects, sends each word as a line, and prints what comes back.

python3 echo_client.py hello world bye
"""

import argparse
import os

from socket_gateway import Gateway

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
options.add_argument("--host", default="127.0.0.1")
options.add_argument("--port", type=int, default=2323, help="(default: %(default)s, where echo_server.py listens)")
options.add_argument("words", nargs="*", default=["hello", "bye"])
chosen = options.parse_args()

with Gateway(chosen.gateway) as gateway, gateway.connect(chosen.host, chosen.port, mode="line") as session:
    session.send(*chosen.words)
    for line in session.lines(timeout=30):
        print(line)
