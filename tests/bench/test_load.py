#!/usr/bin/env python3
"""The bench's generator counts right, and notices each kind of wrong answer."""
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from generator import LOAD, load


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

    def turns(self, double, mode, text):
        argv = [LOAD, "--turns", "--port", str(double.port), "--mode", mode,
                "--connections", "3"]
        return subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60)

    def test_turns_are_told_together_and_leave_nothing_on_its_way(self):
        for mode, kind in (("lines", socket.SOCK_STREAM), ("requests", socket.SOCK_STREAM),
                           ("udp", socket.SOCK_DGRAM)):
            with self.subTest(mode=mode):
                double = Double(upper, kind, close_after=mode == "requests")
                done = self.turns(double, mode, "0.01 0.05\n" * 3)
                *words, told = done.stdout.splitlines()
                got = json.loads(told)
                self.assertEqual((done.returncode, words), (0, ["open"] + ["done"] * 3))
                self.assertGreater(got["requests"], 0)
                self.assertLess(got["requests"], double.lines)  # some were warm-up
                self.assertGreaterEqual(got["seconds"], 0.15)

    def test_a_turn_waits_for_the_last_answers(self):
        def slow(data, _):
            time.sleep(0.2)
            return data.upper()
        double = Double(slow)
        done = self.turns(double, "lines", "0 0.01\n" * 2)
        self.assertEqual((done.returncode, double.lines), (0, 6))

    def test_a_server_that_closes_between_turns_is_noticed(self):
        double = Double(lambda data, before: None if before else data.upper())
        done = self.turns(double, "lines", "0 0.01\n" * 2)
        told = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual((done.returncode, told["errors"]), (1, 3))
        self.assertIn("closed too early", told["first_error"])

    def test_bad_turns_are_refused(self):
        self.assertEqual(self.turns(Double(upper), "lines", "what\n").returncode, 2)

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


if __name__ == "__main__":
    unittest.main()
