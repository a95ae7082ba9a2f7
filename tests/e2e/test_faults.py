"""The course's scripts over sockets that fail by seed: soquete-faulty, from the same build.
SEED=N replays a run; without it the seeds are always the same."""

import os

import harness
import peers
from harness import SCRIPTS, Case

SEED = int(os.environ.get("SEED", 1))
ROUNDS = 4


class Faults(Case):
    def setUp(self):
        super().setUp()
        self.faulty = os.path.join(
            os.path.dirname(os.path.realpath(harness.soquete)), "soquete-faulty"
        )
        if not os.path.exists(self.faulty):
            self.skipTest("soquete-faulty is not built: make programs")
        # It sets no `arg`, and an open standard input is a handle left over to it.
        text = "arg = {select(2, ...)} dofile((...)) io.stdin:close()"
        self.main = self.file("main.lua", text)

    def start_faulty(self, kind, seed, script, *args):
        env = dict(os.environ, SOQUETE_FAULT_KIND=kind, SOQUETE_FAULT_SEED=str(seed))
        path = os.path.join(SCRIPTS, script)
        return self.start(self.faulty, self.main, path, *args, env=env)

    def each(self, script):
        """Servers with soft faults: what every program has to live with unnoticed."""
        for seed in range(SEED, SEED + ROUNDS):
            yield seed, self.listening(self.start_faulty("soft", seed, script, 0, "127.0.0.1"))

    def test_the_udp_server_answers_as_if_nothing_were(self):
        for seed, server in self.each("01-udp-server.lua"):
            for size in (0, 1, 100, 60_000):
                reply = peers.ask_udp(server.port, b"x" * size)
                self.assertEqual(reply, b"X" * size, f"SEED={seed}")

    def test_the_tcp_servers_answer_as_if_nothing_were(self):
        text = "ação, ünïcödé €, " * 1000
        for script in ("02-tcp-server.lua", "02-tcp-server-concurrent.lua"):
            for seed, server in self.each(script):
                reply = peers.ask_tcp(server.port, text.encode())
                self.assertEqual(reply.decode(), text.upper(), f"SEED={seed}")

    def test_the_line_server_answers_as_if_nothing_were(self):
        lines = "".join(f"ação {i}\n" for i in range(1000))
        for seed, server in self.each("06-line-server.lua"):
            reply = peers.ask_tcp(server.port, lines.encode())
            self.assertEqual(reply.decode(), lines.upper(), f"SEED={seed}")

    def test_the_clients_ask_as_if_nothing_were(self):
        for pair in ("01-udp", "02-tcp", "06-line"):
            server = self.serve(f"{pair}-server.lua")
            for seed in range(SEED, SEED + ROUNDS):
                client = self.start_faulty(
                    "soft", seed, f"{pair}-client.lua", "127.0.0.1", server.port
                )
                result = self.finish(client, "ação\n")
                self.assertReplies(result, "AÇÃO")

    def test_the_servers_outlive_clients_whose_connections_break(self):
        for script in ("02-tcp-server-concurrent.lua", "06-line-server.lua"):
            for seed in range(SEED, SEED + ROUNDS):
                server = self.start_faulty("hard", seed, script, 0, "127.0.0.1")
                if not server.out.wait(lambda all: "\n" in all):
                    # Setting up failed: that ends a server, with a clear error.
                    self.assertEqual(server.ends(), 1, f"SEED={seed}")
                    self.assertIn("soquete: ", server.err.text())
                    continue
                self.converse(self.listening(server), seed)

    def converse(self, server, seed):
        right = 0
        for _ in range(100):
            try:
                right += peers.ask_tcp(server.port, b"hello\n") == b"HELLO\n"
            except OSError:  # a reset; ENOTCONN when it comes before our shutdown
                pass
        self.assertGreater(right, 20, f"SEED={seed}: {server.told()}")
        self.assertTrue(server.is_running(), f"SEED={seed}: {server.told()}")
