"""Asks a measuring instrument who it is and what it measures: SCPI over its raw socket, usually port 5025.

python3 scpi.py 192.168.1.50
python3 scpi.py 192.168.1.50 --ask "MEAS:VOLT:DC?"
"""

import argparse
import os

from socket_gateway import Gateway

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
options.add_argument("host")
options.add_argument("--port", type=int, default=5025)
options.add_argument("--ask", action="append", help="a query or command; may be given several times")
chosen = options.parse_args()

with Gateway(chosen.gateway) as gateway, gateway.connect(chosen.host, chosen.port, mode="line") as instrument:
    for query in chosen.ask or ["*IDN?", "MEAS:VOLT:DC?"]:
        # A query has one line for an answer; what is no query has none.
        if query.endswith("?"):
            print(f"{query} -> {instrument.exchange(query, timeout=10)}")
        else:
            instrument.send(query)
    print(f"errors: {instrument.exchange('SYST:ERR?', timeout=10)}")
