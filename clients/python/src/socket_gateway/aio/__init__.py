"""The client for asyncio.

from socket_gateway.aio import Gateway

async with Gateway("127.0.0.1:50051") as gateway:
    async with await gateway.connect("10.0.0.7", 5025, mode="line") as session:
        print(await session.exchange("*IDN?"))
"""

from .gateway import Gateway
from .listener import Listener
from .session import Session
from .udp import UdpSocket

__all__ = ["Gateway", "Listener", "Session", "UdpSocket"]
