#!/usr/bin/env python3
"""The pairs of programs that the bench measures one way, and what counts their bytes."""
import json
import os
import socket
import time
import unittest
from types import SimpleNamespace

import bulk
import bulk_page
import counters
import pairs
from pairs import Running
from place import OUT, PROGRAMS
from processes import free_port


class Counters(unittest.TestCase):
    """What the kernel counts is what programs have moved."""

    def setUp(self):
        OUT.mkdir(parents=True, exist_ok=True)

    def connect(self):
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        conn = listener.accept()[0]
        for s in (client, conn, listener):
            self.addCleanup(s.close)
        return listener.getsockname()[1], client, conn

    def test_bytes_of_the_busiest_connection_are_counted_before_they_are_read(self):
        port, client, conn = self.connect()
        self.assertEqual(counters.bytes_received(port), 0)
        client.sendall(b"x" * 1003)
        conn.recv(1)
        self.assertEqual(counters.bytes_received(port), 1003)

    def test_the_senders_congestion_control_is_told(self):
        port, client, _ = self.connect()
        name = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
        self.assertEqual(counters.congestion_to(port), name.rstrip(b"\0").decode())

    def test_who_listens_and_who_is_bound_is_seen(self):
        port, _, _ = self.connect()
        self.assertTrue(counters.listens(port))
        self.assertFalse(counters.udp_bound(1))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            self.assertTrue(counters.udp_bound(s.getsockname()[1]))

    def test_processor_time_is_this_process_s(self):
        before = counters.cpu_seconds([os.getpid()]), time.process_time()
        sum(range(100000))
        after = counters.cpu_seconds([os.getpid()]), time.process_time()
        self.assertGreaterEqual(after[0] - before[0], 0.9 * (after[1] - before[1]) - 1e-3)
        self.assertEqual(counters.cpu_seconds([1 << 22]), 0)

    def test_both_ends_of_a_bare_c_pair_and_the_kernel_agree(self):
        for way in ("plain", "copy", "free"):
            with self.subTest(way), Running() as programs:
                port, cores = free_port(socket.SOCK_STREAM), os.sched_getaffinity(0)
                pair = [bulk.BULK_PAIR, "receive", way, port]
                receiver = programs.start(pair, cores, tells=True)
                programs.wait_for(lambda: counters.listens(port), "no listener")
                sender = programs.start([bulk.BULK_PAIR, "send", way, port, 0.05], cores,
                                        tells=True)
                sent, got = (json.loads(p.stdout.read()) for p in (sender, receiver))
                self.assertEqual(sent["bytes"], got["bytes"])
                self.assertGreater(got["bytes"], 8192)


class OneWay(unittest.TestCase):
    """Each side of each one-way section moves something, and is told in the page."""

    @classmethod
    def setUpClass(cls):
        OUT.mkdir(parents=True, exist_ok=True)
        cls.opt = SimpleNamespace(rounds=1, seconds=0.05, warmup=0.02, against="", sides="",
                                  cores=sorted(os.sched_getaffinity(0)),
                                  sections=bulk.SECTIONS)
        core = {cls.opt.cores[-1]}
        cls.found = bulk.measure(cls.opt, [(core, core)])

    def test_every_side_moves_something(self):
        for scenario in self.found:
            for row in scenario["rows"]:
                with self.subTest(scenario["title"], side=row["side"]):
                    for name, spread in row["figures"].items():
                        self.assertGreaterEqual(spread["median"], 0, name)
                    self.assertGreater(row["rate_ratio"]["median"], 0)

    def test_every_figure_has_its_heading_and_every_part_its_words(self):
        text = "\n".join(bulk_page.bulk_words(self.found))
        for part in bulk.PARTS:
            self.assertIn(f"## {part.title}\n\n{bulk_page.NOTES[part.title]}", text)
        for scenario in self.found:
            for row in scenario["rows"]:
                self.assertIn(f"| {row['side']} |", text)
                self.assertLessEqual(set(row["figures"]) - {"busy_gbits", "busy_rate", "ticks"},
                                     set(bulk_page.FIGURES))

    def test_the_commands_are_told_without_this_machines_folders(self):
        text = "\n".join(bulk_page.commands_words(self.found, PROGRAMS.parents[1]))
        self.assertIn("`build/", text)
        self.assertNotIn(str(PROGRAMS.parents[1]), text)


class Windows(unittest.TestCase):
    def test_a_window_lasts_until_something_has_moved(self):
        looks = iter([(5, 0), (5, 1), (7, 3)])
        self.assertEqual(pairs.differences(lambda: next(looks), 0), [2, 3])


class Versions(unittest.TestCase):
    def test_a_version_is_the_first_number_that_is_printed(self):
        self.assertEqual(bulk.number_of(["echo", "tool by X\ntool version 1.7.4 on 3.2"]), "1.7.4")
        self.assertEqual(bulk.number_of(["echo", "none"]), "unknown")
        self.assertIn("python3", bulk.versions())


if __name__ == "__main__":
    unittest.main()
