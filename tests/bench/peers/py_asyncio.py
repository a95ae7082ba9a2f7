"""Python's asyncio, with protocols (its fast way), on its own loop or on uvloop's:
py_asyncio.py lines|requests|udp PORT [uvloop]"""
import asyncio
import sys

mode, port = sys.argv[1], int(sys.argv[2])
if sys.argv[3:] == ["uvloop"]:
    import uvloop
    uvloop.install()


class Stream(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data.upper())
        if mode == "requests":
            self.transport.close()


class Datagram(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data.upper(), addr)


async def main():
    loop = asyncio.get_running_loop()
    if mode == "udp":
        await loop.create_datagram_endpoint(Datagram, local_addr=("127.0.0.1", port))
    else:
        await loop.create_server(Stream, "127.0.0.1", port, backlog=511)
    await asyncio.Event().wait()


asyncio.run(main())
