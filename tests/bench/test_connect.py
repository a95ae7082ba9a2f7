#!/usr/bin/env python3
"""The clients whose connects the bench measures, their server, and what counts them."""
import os
import shutil
import socket
import subprocess
import threading
import unittest
import unittest.mock
from types import SimpleNamespace

import bulk
import calls
import counters
import pairs
from pairs import Connects, Running
from place import OUT
from processes import free_port

GREETING = b"welcome\n"
TIME_WAIT = 6  # netinet/tcp.h
OPTIONS = SimpleNamespace(against="", warmup=0.02, seconds=0.05,
                          cores=sorted(os.sched_getaffinity(0)))


class Double:
    """A server in this process. It says `greeting`, looks whether the client closes before
    it has ended, ends, and waits for the client's end. `visits` has (closed early, what the
    client's end was) of each connection."""

    def __init__(self, greeting):
        self.greeting, self.visits = greeting, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],),
                             daemon=True).start()

    def serve(self, conn):
        with conn:
            conn.sendall(self.greeting)
            conn.settimeout(0.05)
            early = self.end_of(conn) != "stays"
            conn.shutdown(socket.SHUT_WR)
            conn.settimeout(20)
            self.visits.append((early, self.end_of(conn)))

    @staticmethod
    def end_of(conn):
        try:
            return conn.recv(1)
        except TimeoutError:
            return "stays"
        except ConnectionResetError:
            return "reset"


def run(side, port, tasks, count):
    argv = [str(word).format(port=port) for word in side.client[:-1]]
    return subprocess.run([*argv, str(tasks), str(count)], capture_output=True, text=True,
                          timeout=60)


class Clients(unittest.TestCase):
    """Each client that is measured does what is said of it, and notices what is wrong."""

    def test_there_are_bare_ones_and_ours(self):
        names = [side.name for side in bulk.connect_sides(OPTIONS)]
        for name in ("C epoll", "C io_uring", "soquete"):
            self.assertIn(name, names)

    def test_each_takes_every_greeting_to_its_end(self):
        for side in bulk.connect_sides(OPTIONS):
            with self.subTest(side=side.name):
                double = Double(GREETING)
                done = run(side, double.port, 2, 3)
                self.assertEqual(done.returncode, 0, done.stderr)
                counters.wait_for(lambda: len(double.visits) >= 6, "six visits", [])
                self.assertEqual(double.visits, [(False, b"")] * 6)

    def test_each_notices_a_greeting_that_is_wrong_cut_or_too_long(self):
        for side in bulk.connect_sides(OPTIONS):
            for greeting in (b"WELCOME\n", GREETING[:-1], GREETING + b"!"):
                with self.subTest(side=side.name, greeting=greeting):
                    done = run(side, Double(greeting).port, 1, 3)
                    self.assertNotEqual(done.returncode, 0)

    def test_each_notices_that_nobody_listens(self):
        for side in bulk.connect_sides(OPTIONS):
            with self.subTest(side=side.name):
                done = run(side, free_port(socket.SOCK_STREAM), 1, 3)
                self.assertNotEqual(done.returncode, 0)


class TheServer(unittest.TestCase):
    def setUp(self):
        OUT.mkdir(parents=True, exist_ok=True)
        self.programs = self.enterContext(Running())
        self.port = free_port(socket.SOCK_STREAM)
        Connects("", []).server(self.programs, {OPTIONS.cores[-1]}, self.port)

    def test_it_ends_first_and_so_keeps_the_clients_port_free(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as conn:
            self.assertEqual(conn.recv(64), GREETING)
            self.assertEqual(conn.recv(64), b"")
            port = conn.getsockname()[1]
        counters.wait_for(lambda: counters.tcp_sockets(TIME_WAIT, self.port, port),
                          "TIME-WAIT on the server's side", self.programs.started)
        self.assertEqual(counters.tcp_sockets(TIME_WAIT, port, self.port), [])


class Measuring(unittest.TestCase):
    def setUp(self):
        OUT.mkdir(parents=True, exist_ok=True)
        core = {OPTIONS.cores[-1]}
        self.cores, self.side = (core, core), next(iter(bulk.connect_sides(OPTIONS)))
        Connects.steady_port()

    def test_what_the_kernel_counts_is_told(self):
        got = self.side.measure(self.cores, OPTIONS)
        self.assertGreater(got["connects"], 0)
        self.assertGreater(got["connect_us"], 0)
        self.assertGreater(got["busy_rate"], 0)

    def test_a_client_that_has_ended_is_noticed(self):
        self.side.client.append(2)
        with unittest.mock.patch.object(pairs, "PATIENCE", 0.2):
            with self.assertRaises(RuntimeError):
                self.side.measure(self.cores, OPTIONS)

    def test_each_connect_meets_an_earlier_one(self):
        """So the number of those in TIME-WAIT has come to rest."""
        port = Connects.steady_port()
        before = len(counters.tcp_sockets(TIME_WAIT, port))
        self.side.measure(self.cores, OPTIONS)
        self.assertGreater(before, 1000)
        self.assertLess(len(counters.tcp_sockets(TIME_WAIT, port)), before * 1.1)

    def test_a_connect_is_counted(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            before, = counters.tcp("ActiveOpens")
            socket.create_connection(listener.getsockname()).close()
            self.assertGreater(counters.tcp("ActiveOpens")[0], before)

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_the_system_calls_of_a_connection_are_counted(self):
        found = calls.of_client(self.side, OPTIONS)
        self.assertEqual({name: round(found[name], 2) for name in ("connect", "socket", "close")},
                         {"connect": 1, "socket": 1, "close": 1})


if __name__ == "__main__":
    unittest.main()
