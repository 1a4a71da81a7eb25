"""Reads holding registers of a Modbus/TCP device: frames that begin with their length.

python3 modbus.py 192.168.1.60 --first 0 --count 4
"""

import argparse
import os
import struct

from socket_gateway import Gateway, Session

EXCEPTIONS = {1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "device failure"}
READ_HOLDING_REGISTERS = 3


def read_registers(session: Session, unit: int, first: int, count: int) -> "list[int]":
    """One request and its answer (Modbus application protocol 1.1b3, section 6.3)."""
    transaction = 1
    request = struct.pack(">BBHH", unit, READ_HOLDING_REGISTERS, first, count)
    session.send(struct.pack(">HHH", transaction, 0, len(request)) + request)
    # However the answer is cut on its way, it is read by its length.
    answered, _, length = struct.unpack(">HHH", session.read_exactly(6, timeout=10))
    body = session.read_exactly(length, timeout=10)
    if answered != transaction:
        raise SystemExit(f"the device answered transaction {answered}, not {transaction}")
    if body[1] & 0x80:
        raise SystemExit(f"the device refused: {EXCEPTIONS.get(body[2], f'exception {body[2]}')}")
    return list(struct.unpack(f">{count}H", body[3 : 3 + 2 * count]))


options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--gateway", default=os.environ.get("GATEWAY", "127.0.0.1:50051"))
options.add_argument("host")
options.add_argument("--port", type=int, default=502)
options.add_argument("--unit", type=int, default=1)
options.add_argument("--first", type=int, default=0)
options.add_argument("--count", type=int, default=4)
chosen = options.parse_args()

with Gateway(chosen.gateway) as gateway, gateway.connect(chosen.host, chosen.port) as session:
    values = read_registers(session, chosen.unit, chosen.first, chosen.count)
    for number, value in enumerate(values, chosen.first):
        print(f"register {number}: {value}")
