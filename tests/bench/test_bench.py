#!/usr/bin/env python3
"""The bench's own tests: the generator notices each kind of wrong answer and counts right,
every server of ours answers, and the figures are computed and written as they should."""
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import xml.etree.ElementTree
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent))
import bulk  # noqa: E402
import bulk_page  # noqa: E402
import counters  # noqa: E402
import figures  # noqa: E402
import growth  # noqa: E402
import pairs  # noqa: E402
import page  # noqa: E402
import plot  # noqa: E402
import sides  # noqa: E402
import web  # noqa: E402
from pairs import Running  # noqa: E402
from place import OUT, PROGRAMS  # noqa: E402
from processes import Server, free_port  # noqa: E402
from tables import spread_text  # noqa: E402

LOAD = str(PROGRAMS / "tests/bench/load")


class Double:
    """A server in this process whose answers a test chooses: `answer(data, before)` gives
    the bytes to send, or None to close; `before` is the line of the request before."""

    def __init__(self, answer, kind=socket.SOCK_STREAM, close_after=False):
        self.answer, self.close_after, self.lines, self.before = answer, close_after, 0, b""
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        run = self.datagrams
        if kind == socket.SOCK_STREAM:
            self.socket.listen(64)
            run = self.accept
        threading.Thread(target=run, daemon=True).start()

    def reply(self, data):
        self.lines += 1
        result = self.answer(data, self.before)
        self.before = data
        return result

    def datagrams(self):
        while True:
            data, addr = self.socket.recvfrom(65536)
            result = self.reply(data)
            if result is not None:
                self.socket.sendto(result, addr)

    def accept(self):
        while True:
            conn = self.socket.accept()[0]
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn, conn.makefile("rb") as lines:
            for line in lines:
                result = self.reply(line)
                if result is None:
                    return
                conn.sendall(result)
                if self.close_after:
                    return


def upper(data, _):
    return data.upper()


def load(port, mode="lines", **words):
    argv = [LOAD, "--port", str(port), "--mode", mode]
    for name, value in words.items():
        argv += [f"--{name}", str(value)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    return done, json.loads(done.stdout) if done.stdout else None


class Generator(unittest.TestCase):
    def assert_noticed(self, answer, what, kind=socket.SOCK_STREAM, mode="lines", **words):
        double = Double(answer, kind)
        done, got = load(double.port, mode, connections=1, count=5, **words)
        self.assertEqual(done.returncode, 1)
        self.assertGreater(got["errors"], 0)
        self.assertIn(what, got["first_error"])

    def test_it_counts_each_line_once(self):
        double = Double(upper)
        done, got = load(double.port, connections=7, count=30)
        self.assertEqual((done.returncode, got["errors"]), (0, 0))
        self.assertEqual((got["requests"], double.lines), (210, 210))

    def test_it_counts_each_connection_once(self):
        double = Double(upper, close_after=True)
        done, got = load(double.port, "requests", connections=3, count=20)
        self.assertEqual((done.returncode, got["requests"], double.lines), (0, 60, 60))

    def test_it_counts_each_datagram_once(self):
        double = Double(upper, socket.SOCK_DGRAM)
        done, got = load(double.port, "udp", connections=3, count=20)
        self.assertEqual((done.returncode, got["requests"], double.lines), (0, 60, 60))

    def test_a_line_may_come_in_pieces_and_be_long(self):
        double = Double(upper)
        done, got = load(double.port, connections=2, count=5, size=20000)
        self.assertEqual((done.returncode, got["requests"]), (0, 10))

    def test_a_line_may_be_one_byte(self):
        double = Double(upper)
        done, got = load(double.port, connections=2, count=5, size=1)
        self.assertEqual((done.returncode, got["requests"]), (0, 10))

    def test_it_notices_an_answer_that_is_not_in_upper_case(self):
        self.assert_noticed(lambda data, _: data, "not the line in upper case")

    def test_it_notices_one_wrong_byte_at_the_end(self):
        self.assert_noticed(lambda data, _: data[:-1].upper() + b"!", "not the line")

    def test_it_notices_the_answer_to_another_line(self):
        self.assert_noticed(lambda data, before: (before or data).upper(), "not the line")

    def test_it_notices_the_answer_of_another_connection(self):
        other = {}

        def crossed(data, _):
            return other.setdefault("line", data).upper()
        double = Double(crossed)
        done, got = load(double.port, connections=2, count=1)
        self.assertEqual((done.returncode, got["errors"]), (1, 1))

    def test_it_notices_bytes_too_many(self):
        self.assert_noticed(lambda data, _: data.upper() + b"X", "")

    def test_it_notices_an_early_close(self):
        self.assert_noticed(lambda data, _: None, "closed too early")

    def test_it_notices_a_connection_that_answers_and_stays_wrong(self):
        double = Double(lambda data, _: data.upper()[:-1], close_after=True)
        done, got = load(double.port, "requests", connections=1, count=2)
        self.assertEqual(done.returncode, 1)
        self.assertIn("closed too early", got["first_error"])

    def test_it_notices_a_short_datagram(self):
        self.assert_noticed(lambda data, _: data.upper()[:-1], "too short",
                            socket.SOCK_DGRAM, "udp")

    def test_it_sends_a_lost_datagram_again(self):
        seen = []

        def lossy(data, _):
            seen.append(data)
            return None if len(seen) == 1 else data.upper()
        double = Double(lossy, socket.SOCK_DGRAM)
        done, got = load(double.port, "udp", connections=1, count=3)
        self.assertEqual((done.returncode, got["requests"], got["lost"]), (0, 3, 1))

    def test_percentiles_come_from_what_was_measured(self):
        gate = threading.Event()

        def slow(data, _):
            gate.wait(0.02)
            return data.upper()
        double = Double(slow)
        _, got = load(double.port, connections=1, count=10)
        self.assertGreaterEqual(got["p50_us"], 19500)
        self.assertLessEqual(got["p50_us"], got["p99_us"])
        self.assertLessEqual(got["p99_us"], got["max_us"])

    def test_it_tells_the_servers_processor_time(self):
        double = Double(upper)
        _, got = load(double.port, connections=1, count=50, pid=os.getpid())
        self.assertGreater(got["server_cpu_ns"], 0)

    def test_idle_connections_answer_when_they_are_told_to(self):
        double = Double(upper)
        argv = [LOAD, "--port", str(double.port), "--mode", "idle", "--connections", "5"]
        done = subprocess.run(argv, input="\n\n", capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout.split(), ["open", "answered", "answered"])
        self.assertEqual((done.returncode, double.lines), (0, 10))

    def test_bad_arguments_are_refused(self):
        for words in ({"connections": 0}, {"size": 0}, {"mode": "what"}):
            done, _ = load(1, **words)
            self.assertEqual(done.returncode, 2)


class Answers(unittest.TestCase):
    """The generator's http mode, against servers that answer something else."""

    body = bytes(range(256)) * 40
    count = 5

    def run_load(self, answer, **words):
        def reply(data, _):
            if data != b"\r\n":
                return b""
            return answer() if callable(answer) else answer
        double = Double(reply)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "request").write_bytes(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            Path(folder, "body").write_bytes(self.body)
            return load(double.port, "http", connections=1, count=self.count,
                        request=f"{folder}/request", body=f"{folder}/body", **words)

    def answer(self, status=b"200 OK", length=None, body=None):
        length = len(self.body) if length is None else length
        return (b"HTTP/1.1 " + status + b"\r\nServer: x\r\nContent-Length: %d\r\n\r\n" % length
                + (self.body if body is None else body))

    def assert_noticed(self, answer, what):
        done, got = self.run_load(answer)
        self.assertEqual((done.returncode, got["errors"]), (1, 1))
        self.assertIn(what, got["first_error"])
        return got

    def test_right_answers_are_counted(self):
        done, got = self.run_load(self.answer())
        self.assertEqual((done.returncode, got["requests"], got["errors"]), (0, self.count, 0))

    def test_another_status_is_noticed(self):
        self.assert_noticed(self.answer(status=b"404 Not Found"), "status")

    def test_another_length_is_noticed(self):
        self.assert_noticed(self.answer(length=len(self.body) - 1), "Content-Length")

    def test_a_wrong_last_byte_is_noticed(self):
        self.assert_noticed(self.answer(body=self.body[:-1] + b"x"), "wrong byte")

    def test_bytes_behind_the_body_are_noticed(self):
        self.assert_noticed(self.answer(body=self.body + b"x"), "")


class LargeAnswers(Answers):
    """Bodies of which the generator compares a sample."""

    body = bytes(range(256)) * 400
    count = 10

    def answers(self, wrong, count):
        """The answers from number `count` on have a wrong body."""
        given = iter(range(1, 100))
        return lambda: self.answer(body=self.body if next(given) < count else wrong)

    def test_a_wrong_beginning_of_a_later_answer_is_noticed(self):
        got = self.assert_noticed(self.answers(b"x" + self.body[1:], 2), "wrong byte")
        self.assertEqual(got["requests"], 1)

    def test_a_wrong_last_byte_is_noticed_by_each_eighth_answer(self):
        got = self.assert_noticed(self.answers(self.body[:-1] + b"x", 2), "wrong byte")
        self.assertEqual(got["requests"], 8)


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


class WebPage(unittest.TestCase):
    """Each ratio of the web's tables is to the server that its heading names."""

    RATES = {"soquete": 600, web.NGINX: 300, sides.BASE: 500, sides.BARE_URING: 800}

    def figures(self, side, *_):
        return {"rate": self.RATES[side.name], "cpu_us": 1000 / self.RATES[side.name],
                "busy": 0.5, "load_busy": 0.5, "p50_us": 1, "p99_us": 2, "errors": 0}

    def test_the_ratios_are_told(self):
        chosen = [SimpleNamespace(name=name, modes=("files",)) for name in self.RATES]
        with unittest.mock.patch.object(web, "measure_once", self.figures):
            found = web.scenario(chosen, "files", "1KiB", ({0}, {0}), SimpleNamespace(rounds=1))
        lines = "\n".join(page.web_words([found])).splitlines()
        cells = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:]
                 for line in lines if line.startswith("| ")}
        told = {name: figure.split()[0] for name, figure in
                zip(cells["server"], cells["soquete"])}
        self.assertEqual([told[name] for name in ("rate / nginx", "rate / C epoll",
                                                  "rate / C io_uring", "server CPU / nginx")],
                         ["2.00", "1.20", "0.75", "0.50"])
        self.assertEqual(set(cells), {"server", *self.RATES})


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
                links = [os.readlink(fd) for fd in Path(f"/proc/{server.pid}/fd").iterdir()]
                self.assertEqual("anon_inode:[eventfd]" in links, side.name == "uvloop")

    def test_every_server_of_a_lone_connection_answers_right(self):
        OUT.mkdir(parents=True, exist_ok=True)
        for side in sides.lone_sides():
            with self.subTest(side=side.name), Server(side, "lines", {0}) as server:
                done, got = load(server.port, "lines", connections=1, count=20)
                self.assertEqual((done.returncode, got["requests"]), (0, 20), done.stderr)


class WhatIoUringGains(unittest.TestCase):
    """Where bare C gains little, the page says so."""

    def results(self, ratio):
        rows = [{"side": "C io_uring", "busy_ratio": {"median": ratio}}]
        return {"scenarios": [{"mode": "lines", "clients": 200, "rows": rows}]}

    def test_little_is_said(self):
        self.assertIn("with 200 clients C io_uring does 1.02 of",
                      page.most_words(self.results(1.02)))

    def test_much_and_nothing_need_no_words(self):
        self.assertEqual(page.most_words(self.results(2.1)), "")
        self.assertEqual(page.most_words({}), "")


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


class Charts(unittest.TestCase):
    def spread(self, value):
        return {"median": value, "low": value * 0.9, "high": value * 1.1}

    def charts(self):
        rows = [{"x": x, "side": side, **{f: self.spread(x * n) for f in ("rate", "p99_us")},
                 "cpu_us": self.spread(1)}
                for x in growth.CLIENTS for n, side in enumerate(growth.SERVERS, 1)]
        sizes = [{"x": x, "side": f"<{n}>", "gbits": self.spread(x / 1000 * n),
                  "cpu_ns_kib": self.spread(1)} for x in growth.SIZES for n in (1, 2, 3)]
        return {"connections": rows, "sizes": sizes}

    def test_each_is_well_formed_and_names_its_lines(self):
        drawn = dict(growth.charts(self.charts()))
        self.assertEqual(list(drawn), [chart[0] for chart in growth.CHARTS])
        for name, text in drawn.items():
            words = [e.text for e in xml.etree.ElementTree.fromstring(text).iter()
                     if e.tag.endswith("text")]
            for side in growth.SERVERS if "size" not in name else ("<1>", "<2>", "<3>"):
                self.assertIn(side, words)

    def test_lines_differ_without_colours(self):
        self.assertEqual(len(set(plot.DASHES)), len(plot.COLOURS))
        self.assertEqual(len({plot.mark(kind, 0, 0, "") for kind in range(4)}), 4)

    def test_an_axis_covers_what_is_drawn(self):
        self.assertEqual(plot.decades(64, 1048576), [10.0 ** e for e in range(1, 8)])
        self.assertEqual(plot.steps(39000)[-1], 40000)
        axis = plot.Axis([1, 10, 100], 0, 200, True)
        self.assertEqual((axis.place(1), axis.place(10), axis.place(100)), (0, 100, 200))

    def test_names_do_not_overlap(self):
        same = {name: [(1, 5, 5, 5), (10, 5, 5, 5)] for name in "abc"}
        heights = [float(e.get("y")) for e in xml.etree.ElementTree.fromstring(
            plot.chart("t", "x", "y", same, False)).iter() if e.text in ("a", "b", "c")]
        self.assertEqual([b - a for a, b in zip(heights, heights[1:])], [plot.LABEL_ROOM] * 2)

    def test_the_page_shows_each_chart_and_each_number(self):
        text = "\n".join(bulk_page.growth_words(self.charts()))
        for name, title, *_ in growth.CHARTS:
            self.assertIn(f"![{title}]({name})", text)
        self.assertEqual(text.count("\n| 9,000 |"), len(growth.SERVERS))


class Figures(unittest.TestCase):
    def rounds(self):
        return [{sides.BASE: {"rate": 100}, "x": {"rate": r}} for r in (50, 90, 70)]

    def test_a_ratio_is_taken_within_its_round(self):
        rounds = [{sides.BASE: {"rate": 100}, "x": {"rate": 50}},
                  {sides.BASE: {"rate": 200}, "x": {"rate": 100}}]
        self.assertEqual(figures.ratios(rounds, "x", "rate").values, [0.5, 0.5])

    def test_a_round_in_which_the_base_did_nothing_has_no_ratio(self):
        idle = [{sides.BASE: {"rate": 0}, "x": {"rate": 50}}]
        self.assertEqual(figures.ratios(self.rounds() + idle, "x", "rate").values,
                         [0.5, 0.9, 0.7])
        self.assertTrue(math.isnan(figures.ratios(idle, "x", "rate").median))

    def test_the_median_has_its_spread(self):
        spread = figures.ratios(self.rounds(), "x", "rate")
        self.assertEqual((spread.low, spread.median, spread.high), (0.5, 0.7, 0.9))
        self.assertEqual(spread_text(spread.json()), "0.70 (0.50–0.90)")

    def test_every_round_has_every_side_in_turn(self):
        measured = []

        def measure(side):
            measured.append(side.name)
            return {"rate": len(measured)}
        pair = [SimpleNamespace(name=name) for name in "ab"]
        rounds = figures.alternate(pair, 2, measure, "a test", "rate", "a")
        self.assertEqual(measured, ["a", "b", "b", "a"])
        self.assertEqual([r["a"]["rate"] for r in rounds], [1, 4])

    def test_the_sides_alternate(self):
        self.assertEqual(figures.order("abc", 0), ["a", "b", "c"])
        self.assertEqual(figures.order("abc", 1), ["c", "b", "a"])


if __name__ == "__main__":
    unittest.main()
