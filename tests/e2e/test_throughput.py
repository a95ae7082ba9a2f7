"""04-throughput-*.lua, against each other, Python and nc."""

import contextlib
import difflib
import os
import re
import socket

import peers
from harness import SCRIPTS, Case, slow, until

SERVER = "04-throughput-server.lua"
CLIENTS = ("04-throughput-client.lua", "04-throughput-fast.lua")
FIGURES = re.compile(
    r"^(?:(?P<peer>\S+): )?(?P<bytes>\d+) bytes in (?P<seconds>[\d.]+) s: "
    r"(?P<kb>[\d.]+) kb/s, (?P<mbit>[\d.]+) Mbit/s$", re.M)


def code_of(script):
    """A script's lines without those that are comments."""
    with open(os.path.join(SCRIPTS, script)) as f:
        return [line for line in f if not line.startswith("--")]


def take_all(conn):
    """Reads to the end: how many bytes came."""
    got = 0
    while piece := conn.recv(1 << 20):
        got += len(piece)
    return got


class Throughput(Case):
    def figures(self, text):
        found = FIGURES.search(text)
        self.assertTrue(found, text)
        return found

    def measured(self, server, clients=1):
        """The server's lines, one a client, when there are as many."""
        def lines(text):
            found = list(FIGURES.finditer(text))
            return found if len(found) >= clients else None
        found = server.out.wait(lines)
        if not found:
            self.fail(server.told())
        return found


class Server(Throughput):
    def test_counts_every_byte(self):
        server = self.serve(SERVER)
        with peers.tcp(server.port) as s:
            peer = "127.0.0.1:%d" % s.getsockname()[1]
            s.sendall(b"x" * 1_000_003)
        line = self.measured(server)[0]
        self.assertEqual((line["peer"], line["bytes"]), (peer, "1000003"))

    def test_a_kb_is_1024_bits_and_a_mbit_a_million(self):
        server = self.serve(SERVER)
        with peers.tcp(server.port) as s:
            s.sendall(b"x" * 50_000_000)
        line = self.measured(server)[0]
        self.assertAlmostEqual(float(line["kb"]) * 1024 / 1e6, float(line["mbit"]), 1)
        rate = int(line["bytes"]) * 8 / float(line["seconds"]) / 1e6
        self.assertAlmostEqual(rate / float(line["mbit"]), 1, delta=0.2)  # s are rounded

    def test_ends_when_it_has_everything(self):
        server = self.serve(SERVER)
        with peers.tcp(server.port) as s:
            s.sendall(b"x" * 100_000)
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(peers.read_all(s), b"")
        self.assertEqual(self.measured(server)[0]["bytes"], "100000")

    def test_does_not_spin_when_the_client_has_gone(self):
        server = self.serve(SERVER)
        peers.tcp(server.port).close()
        self.measured(server)
        self.assertTrue(until(lambda: peers.state_of(server.pid) == "S"))

    def test_counts_nothing_of_a_client_that_closes_at_once(self):
        server = self.serve(SERVER)
        for _ in range(3):
            peers.tcp(server.port).close()
        self.assertEqual([line["bytes"] for line in self.measured(server, 3)], ["0"] * 3)
        self.assertEqual(server.err.text(), "")

    def test_serves_one_client_after_another(self):
        server = self.serve(SERVER)
        with peers.tcp(server.port) as first, peers.tcp(server.port) as second:
            first.sendall(b"x" * 10)
            second.sendall(b"x" * 20)
            second.shutdown(socket.SHUT_WR)
            second.settimeout(0.3)
            with self.assertRaises(socket.timeout):  # while the first is measured
                second.recv(1)
            first.shutdown(socket.SHUT_WR)
            self.assertEqual(peers.read_all(first), b"")
            second.settimeout(30)
            self.assertEqual(peers.read_all(second), b"")
        self.assertEqual([line["bytes"] for line in self.measured(server, 2)], ["10", "20"])

    def test_one_word_makes_it_concurrent(self):
        text = "".join(code_of(SERVER))
        self.assertEqual(text.count("  handle(conn, peer)\n"), 1)
        text = text.replace("  handle(conn, peer)\n", "  net.spawn(handle, conn, peer)\n")
        server = self.listening(self.soquete(self.file("twin.lua", text), "0", "127.0.0.1"))
        with peers.tcp(server.port) as first:
            first.sendall(b"x")
            self.assertEqual(peers.ask_tcp(server.port, b"at once"), b"")

    def test_tells_how_much_came_before_a_reset_and_goes_on(self):
        server = self.serve(SERVER)
        s = peers.tcp(server.port)
        s.sendall(b"x" * 1000)
        self.assertTrue(until(lambda: peers.is_read(s)))
        peers.reset(s)
        self.assertEqual(self.measured(server)[0]["bytes"], "1000")
        server.complains("ECONNRESET")
        self.assertEqual(peers.ask_tcp(server.port, b"next"), b"")

    @slow
    def test_gives_a_silent_client_ten_seconds(self):
        server = self.serve(SERVER)
        with peers.tcp(server.port) as silent, peers.tcp(server.port) as second:
            second.sendall(b"second")
            second.shutdown(socket.SHUT_WR)
            self.assertEqual(peers.read_all(second), b"")
            self.assertEqual(silent.recv(1), b"")  # it was let go
            server.complains("silent")
        self.assertEqual(self.measured(server, 2)[0]["seconds"], "0.000")

    def test_measures_nc(self):
        self.need("nc")
        server = self.serve(SERVER)
        self.run_program("nc", "-N", "127.0.0.1", server.port, text="x" * 300_000)
        self.assertEqual(self.measured(server)[0]["bytes"], "300000")

    def test_serves_both_families_on_the_any_address_of_ipv6(self):
        self.need_ipv6()
        server = self.serve(SERVER, "::")
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(peers.ask_tcp(server.port, b"x", host), b"")

    def test_names_the_holder_of_a_busy_port(self):
        server = self.serve(SERVER)
        second = self.run_soquete(SERVER, server.port, "127.0.0.1")
        self.assertEnds(second, 1, err=f"pid {server.pid}")

    def test_refuses_a_bad_port_by_its_value(self):
        for bad in ("abc", "99999", "-1"):
            self.assertEnds(self.run_soquete(SERVER, bad), 1, err=f"'{bad}'")


class Clients(Throughput):
    def run_client(self, client, port, seconds="0.1", host="127.0.0.1"):
        return self.run_soquete(client, host, port, seconds)

    def against(self, serve, client, seconds="0.1", host="127.0.0.1"):
        server = peers.Server(self, serve, host=host)
        return self.run_client(client, server.port, seconds, host)

    def counted(self, result):
        self.assertEqual((result.status, result.err), (0, ""), result)
        return int(self.figures(result.out)["bytes"])

    def test_tells_what_python_has_got(self):
        for client in CLIENTS:
            with self.subTest(client):
                got = []

                def serve(listener):
                    with listener.accept()[0] as conn:
                        got.append(take_all(conn))

                self.assertEqual([self.counted(self.against(serve, client))], got)

    def test_agrees_with_our_server(self):
        self.need_own_figures()
        server = self.serve(SERVER)
        counts = [self.counted(self.run_client(c, server.port)) for c in CLIENTS]
        lines = self.measured(server, len(CLIENTS))
        self.assertEqual([int(line["bytes"]) for line in lines], counts)
        self.assertGreater(min(counts), 8192)

    def test_tells_what_nc_has_got(self):
        self.need("nc")
        for client in CLIENTS:
            with self.subTest(client), open(os.path.join(self.folder, "got"), "wb") as got:
                nc = self.start("nc", "-v", "-l", "127.0.0.1", "0", stdout=got)
                said = nc.err.wait(re.compile(r"Listening on \S+ (\d+)\n").search)
                result = self.run_client(client, said.group(1))
                self.assertEqual(nc.ends(), 0)
                self.assertEqual(os.path.getsize(got.name), self.counted(result))

    def test_waits_until_everything_has_been_taken(self):
        for client in CLIENTS:
            with self.subTest(client):
                program, order = [], []

                def serve(listener):
                    with listener.accept()[0] as conn:
                        take_all(conn)
                        order.append(FIGURES.search(program[0].out.text()))

                server = peers.Server(self, serve)
                program.append(self.soquete(client, "127.0.0.1", server.port, "0.1"))
                self.assertEqual(program[0].ends(), 0)
                self.assertEqual(order, [None])  # nothing was told before that

    def test_says_that_the_server_reset_the_connection(self):
        def serve(listener):
            conn, _ = listener.accept()
            conn.recv(1)
            peers.reset(conn)

        for client in CLIENTS:
            with self.subTest(client):
                result = self.against(serve, client, "20")
                self.assertEqual((result.status, result.out), (1, ""))
                self.assertRegex(result.err, "ECONNRESET|EPIPE")

    def test_says_that_a_server_which_answers_is_another(self):
        def serve(listener):
            with listener.accept()[0] as conn:
                conn.sendall(b"220 hello\r\n")
                with contextlib.suppress(ConnectionResetError):  # it closes with ours unread
                    take_all(conn)

        for client in CLIENTS:
            with self.subTest(client):
                self.assertEnds(self.against(serve, client), 1, err="no throughput server")

    @slow
    def test_gives_up_on_a_server_that_never_ends(self):
        """As the lecture's, which does not see that the client has ended."""
        def serve(listener):
            with listener.accept()[0] as conn:
                take_all(conn)
                while conn.recv(1) == b"" and program.is_running():
                    pass

        server = peers.Server(self, serve)
        program = self.soquete(CLIENTS[0], "127.0.0.1", server.port, "0.1")
        self.assertEqual(program.ends(), 1)
        self.assertIn("how many arrived is unknown", program.err.text())
        self.assertIn("timeout", program.err.text())

    @slow
    def test_gives_up_on_a_server_that_reads_nothing(self):
        for client in CLIENTS:
            with self.subTest(client), socket.create_server(("127.0.0.1", 0)) as listener:
                result = self.run_client(client, listener.getsockname()[1])
                self.assertEnds(result, 1, err="timeout")

    def test_refuses_bad_seconds_by_their_value(self):
        for client in CLIENTS:
            for bad in ("abc", "0", "-1", "nan"):
                result = self.run_client(client, 9, bad)
                self.assertEnds(result, 2, err=f"not '{bad}'")
                self.assertNotIn("traceback", result.err)

    def test_says_that_nothing_listens(self):
        with peers.udp() as unused:  # a port that no TCP socket listens on
            port = unused.getsockname()[1]
            for client in CLIENTS:
                result = self.run_client(client, port)
                self.assertEnds(result, 1, err="hint: nothing listens there")

    def test_talks_ipv6(self):
        self.need_ipv6()

        def serve(listener):
            with listener.accept()[0] as conn:
                take_all(conn)

        self.assertEnds(self.against(serve, CLIENTS[0], host="::1"), 0, out="Mbit/s")

    def test_differ_by_the_one_call(self):
        changes = [d for d in difflib.ndiff(*map(code_of, CLIENTS)) if d[0] in "+-"]
        self.assertEqual([d[2:] for d in changes if d[0] == "-"], [
            "local bytes = 0\n",
            "repeat bytes = bytes + assert(socket:send(buffer)) "
            "until net.now() - begin >= seconds\n"])
        self.assertEqual([d[2:] for d in changes if d[0] == "+"], [
            "local bytes = assert(socket:send_repeat(buffer, { seconds = seconds })).bytes\n"])
