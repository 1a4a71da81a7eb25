"""Multicast: receives what is sent to a group, or sends to it.

python3 multicast.py receive
python3 multicast.py send hello
"""

import argparse
import os

from socket_gateway import Gateway, Group

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
options.add_argument("--group", default="239.255.42.99")
options.add_argument("--port", type=int, default=4299)
options.add_argument("--interface", default="", help="the gateway's, by name or IPv4 address")
options.add_argument("--count", type=int, default=1, help="receive: how many datagrams (default: %(default)s)")
options.add_argument("what", choices=["receive", "send"])
options.add_argument("text", nargs="?", default="hello")
chosen = options.parse_args()

with Gateway(chosen.gateway) as gateway:
    if chosen.what == "send":
        sent = gateway.udp_out(chosen.group, chosen.port, chosen.text, multicast_interface=chosen.interface)
        print(f"sent {sent.size} bytes to {sent.host}:{sent.port}")
    else:
        group = Group(chosen.group, chosen.interface)
        with gateway.udp_in(chosen.port, groups=[group], mode="utf8") as socket:
            print(f"listening on {socket.host}:{socket.port} for {', '.join(socket.groups)}", flush=True)
            for _, datagram in zip(range(chosen.count), socket):
                print(f"{datagram.host}: {datagram.text}", flush=True)
