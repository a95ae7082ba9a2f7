#!/usr/bin/env python3
"""Every server that the bench measures answers right."""
import contextlib
import os
import socket
import threading
import time
import unittest
from pathlib import Path
from types import SimpleNamespace

import sides
import web
from generator import load
from place import OUT, PROGRAMS
from processes import Server, measure_servers


class Servers(unittest.TestCase):
    """Each server, in each mode it knows, under the generator."""

    def test_every_server_answers_right(self):
        OUT.mkdir(parents=True, exist_ok=True)
        cores = os.sched_getaffinity(0)
        for side in sides.sides():
            for mode in side.modes:
                with self.subTest(side=side.name, mode=mode):
                    with Server(side, mode, cores) as server:
                        done, got = load(server.port, mode, connections=10, count=20)
                        self.assertEqual((done.returncode, got["requests"]), (0, 200),
                                         done.stderr)

    def test_uvloop_is_what_serves_where_it_is_told(self):
        """Its libuv has an eventfd to be woken by, Python's own loop a pair of sockets."""
        OUT.mkdir(parents=True, exist_ok=True)
        on_asyncio = [s for s in sides.sides() if s.name in ("asyncio", "uvloop")]
        self.assertTrue(on_asyncio)
        for side in on_asyncio:
            with self.subTest(side=side.name), Server(side, "lines", {0}) as server:
                links = []
                for fd in Path(f"/proc/{server.pid}/fd").iterdir():
                    with contextlib.suppress(FileNotFoundError):  # it may just have closed it
                        links.append(os.readlink(fd))
                self.assertEqual("anon_inode:[eventfd]" in links, side.name == "uvloop")

    def test_every_server_of_a_lone_connection_answers_right(self):
        OUT.mkdir(parents=True, exist_ok=True)
        for side in sides.lone_sides():
            with self.subTest(side=side.name), Server(side, "lines", {0}) as server:
                done, got = load(server.port, "lines", connections=1, count=20)
                self.assertEqual((done.returncode, got["requests"]), (0, 20), done.stderr)


class Turns(unittest.TestCase):
    """The servers of a round, each in many turns."""

    OPT = SimpleNamespace(size=32, seconds=0.2, warmup=0.05)

    def measure(self, *chosen):
        OUT.mkdir(parents=True, exist_ok=True)
        cores = os.sched_getaffinity(0)
        return measure_servers(chosen, "lines", 5, (cores, cores), self.OPT)

    def test_each_has_the_figures_of_all_its_turns(self):
        chosen = [s for s in sides.sides() if s.name in (sides.BASE, "soquete")]
        got = self.measure(*chosen)
        self.assertEqual(list(got), [s.name for s in chosen])
        for figures in got.values():
            self.assertGreater(figures["requests"], 100)
            self.assertEqual((figures["errors"], figures["lost"]), (0, 0))
            self.assertGreaterEqual(figures["seconds"], self.OPT.seconds)

    def test_wrong_answers_end_the_measurement(self):
        script = ("local s = require('net').listen('127.0.0.1:' .. arg[1]) "
                  "while true do local c = s:accept() require('net').spawn(function() "
                  "for p in c:pieces() do c:send(p == 'ready?\\n' and 'READY?\\n' or p) end end) end")
        side = sides.Side("echo", [str(PROGRAMS / "soquete"), "-e", script, "{port}"])
        with self.assertRaisesRegex(RuntimeError, "not the line in upper case"):
            self.measure(side)


class WebServers(unittest.TestCase):
    """Each web server, for each file and the text, under the generator."""

    def test_every_server_answers_right(self):
        OUT.mkdir(parents=True, exist_ok=True)
        web.prepare()
        cores = os.sched_getaffinity(0)
        for side in web.web_sides():
            for name in (*web.SIZES, "text"):
                mode = "text" if name == "text" else "files"
                if mode not in side.modes:
                    continue
                with self.subTest(side=side.name, name=name):
                    if isinstance(side, web.Limit):
                        side.file = web.words(name)["body"]
                    with Server(side, mode, cores) as server:
                        done, got = load(server.port, "http", connections=5, count=4,
                                         **web.words(name))
                        self.assertEqual((done.returncode, got["requests"]), (0, 20),
                                         done.stderr)


def limits():
    return [s for s in web.web_sides() if isinstance(s, web.Limit)]


def read(conn, n):
    """The next n bytes, or what comes before the end."""
    got = bytearray()
    while len(got) < n:
        piece = conn.recv(n - len(got))
        if not piece:
            break
        got += piece
    return bytes(got)


class BareHttp(unittest.TestCase):
    """Both bare HTTP servers answer the same, also a client that the generator is not."""

    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

    @classmethod
    def setUpClass(cls):
        OUT.mkdir(parents=True, exist_ok=True)
        web.prepare()

    def serving(self, side, name="1KiB"):
        side.file = web.words(name)["body"]
        server = Server(side, "files", os.sched_getaffinity(0))
        self.addCleanup(server.__exit__)
        return server.__enter__()

    def connect(self, server):
        conn = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        self.addCleanup(conn.close)
        return conn

    def answer(self, server, name):
        """All of one answer, whose body is right."""
        body, head = web.body_of(name), b""
        with self.connect(server) as conn:
            conn.sendall(self.request)
            while not head.endswith(b"\r\n\r\n"):
                head += read(conn, 1) or self.fail("closed too early")
            self.assertTrue(read(conn, len(body)) == body)
        self.assertIn(b"Content-Length: %d\r\n" % len(body), head)
        return head + body

    def open_files(self, server):
        return len(os.listdir(f"/proc/{server.pid}/fd"))

    def test_there_are_two_and_their_answers_are_the_same(self):
        found = [self.answer(self.serving(side), "1KiB") for side in limits()]
        self.assertEqual(len(found), 2)
        self.assertEqual(found[0], found[1])

    def test_a_request_may_come_byte_by_byte(self):
        """Who is answered after a byte knows that the server has taken it."""
        for side in limits():
            with self.subTest(side=side.name):
                server = self.serving(side)
                conn = self.connect(server)
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in self.request * 2:
                    conn.sendall(bytes([byte]))
                    answer = self.answer(server, "1KiB")
                self.assertEqual(read(conn, 2 * len(answer)), 2 * answer)

    def test_who_asks_ahead_and_reads_late_gets_each_answer_in_turn(self):
        """Far more than a socket holds: sends fall short, and go on where they were."""
        for side in limits():
            for name, count in (("100B", 20000), ("100KiB", 200), ("10MiB", 3)):
                with self.subTest(side=side.name, name=name):
                    server = self.serving(side, name)
                    conns = [self.connect(server) for _ in range(3)]
                    asking = [threading.Thread(target=c.sendall, args=(self.request * count,))
                              for c in conns]
                    for thread in asking:
                        thread.start()
                    answer = self.answer(server, name)
                    for conn in conns:
                        self.assertTrue(read(conn, count * len(answer)) == count * answer)
                    for thread in asking:
                        thread.join()

    def test_clients_that_leave_are_forgotten(self):
        """Between requests, within one, and in the middle of an answer."""
        for side in limits():
            with self.subTest(side=side.name):
                server = self.serving(side, "10MiB")
                before = self.open_files(server)
                for sent in (b"", self.request[:-1], self.request, self.request * 3):
                    conn = self.connect(server)
                    conn.sendall(sent)
                    if sent.endswith(b"\r\n\r\n"):
                        self.assertEqual(conn.recv(1), b"H")
                    conn.close()
                self.answer(server, "10MiB")
                limit = time.monotonic() + 20
                while self.open_files(server) > before and time.monotonic() < limit:
                    time.sleep(0.01)
                self.assertLessEqual(self.open_files(server), before)


if __name__ == "__main__":
    unittest.main()
