"""The inactivity timeout: a connection on which nothing happens for a while is reported, and then closed or kept.

python3 timeout.py --port 2323 --after 1
"""

import argparse
import os

from socket_gateway import EventKind, Gateway

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
options.add_argument("--host", default="127.0.0.1")
options.add_argument("--port", type=int, default=2323)
options.add_argument("--after", type=float, default=1.0, help="seconds of silence (default: %(default)s)")
chosen = options.parse_args()

with Gateway(chosen.gateway) as gateway:
    with gateway.connect(chosen.host, chosen.port, timeout=chosen.after) as session:
        for event in session.events():
            if event.kind is EventKind.TIMEOUT:
                print(f"kept: {event.error}; the session is {'open' if session.closed is None else 'closed'}")
                break
    with gateway.connect(chosen.host, chosen.port, timeout=chosen.after, on_timeout="close") as session:
        print(f"closed: {session.wait_closed(30 + chosen.after).reason.value}")
