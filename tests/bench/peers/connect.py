"""Python's asyncio, with protocols (its fast way): connect.py PORT TASKS [COUNT]"""
import asyncio
import sys

port, tasks, *count = (int(word) for word in sys.argv[1:])


class Visit(asyncio.Protocol):
    def connection_made(self, transport):
        self.got, self.ended = b"", asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.got += data

    def connection_lost(self, error):
        self.ended.set_result(error)


async def client():
    loop, left = asyncio.get_running_loop(), count[0] if count else -1
    while left != 0:
        _, visit = await loop.create_connection(Visit, "127.0.0.1", port)
        if await visit.ended or visit.got != b"welcome\n":
            sys.exit("the greeting is wrong")
        left -= 1


async def main():
    await asyncio.gather(*(client() for _ in range(tasks)))


asyncio.run(main())
