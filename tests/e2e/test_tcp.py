"""02-tcp-client.lua and the two 02-tcp-server*.lua, against each other and Python."""

import difflib
import os
import socket

import harness
import peers
from harness import PATIENCE, SCRIPTS, Case, slow, until

SERVERS = ("02-tcp-server.lua", "02-tcp-server-concurrent.lua")


class BothServers:
    """What both servers do; SCRIPT is one of them."""

    def test_answers_in_upper_case_until_the_client_ends(self):
        server = self.serve(self.SCRIPT)
        self.assertEqual(peers.ask_tcp(server.port, b"hello"), b"HELLO")
        text = "ação, ünïcödé"
        self.assertEqual(peers.ask_tcp(server.port, text.encode()).decode(), text.upper())

    def test_answers_each_piece_as_it_arrives(self):
        server = self.serve(self.SCRIPT)
        with peers.tcp(server.port) as s:
            for word in (b"one", b"two", b"three"):
                s.sendall(word)
                reply = b""
                while len(reply) < len(word):
                    reply += s.recv(100)
                self.assertEqual(reply, word.upper())

    def test_answers_a_letter_whose_bytes_come_one_at_a_time(self):
        server = self.serve(self.SCRIPT)
        with peers.tcp(server.port) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in "ação €".encode():
                s.sendall(bytes([byte]))
                self.assertTrue(until(lambda: peers.is_read(s)))
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(peers.read_all(s).decode(), "AÇÃO €")

    def test_waits_for_the_second_byte_of_a_letter(self):
        server = self.serve(self.SCRIPT)
        with peers.tcp(server.port) as s:
            s.sendall("aç".encode()[:2])
            self.assertEqual(s.recv(1), b"A")  # what is whole is answered at once
            s.sendall("ç".encode()[1:])
            self.assertEqual(s.recv(1) + s.recv(1), "Ç".encode())

    def test_sends_back_half_a_letter_when_the_client_ends(self):
        server = self.serve(self.SCRIPT)
        self.assertEqual(peers.ask_tcp(server.port, b"ab\xc3"), b"AB\xc3")
        self.assertEqual(peers.ask_tcp(server.port, b"\xe2\x82"), b"\xe2\x82")

    def test_answers_nothing_with_nothing(self):
        server = self.serve(self.SCRIPT)
        self.assertEqual(peers.ask_tcp(server.port, b""), b"")

    def test_answers_a_megabyte(self):
        server = self.serve(self.SCRIPT)
        with peers.tcp(server.port) as s:
            data, got = "çãé€x".encode() * 100_000, b""
            for at in range(0, len(data), 50_000):
                s.sendall(data[at : at + 50_000])
                while len(got) < at:
                    got += s.recv(65536)
            s.shutdown(socket.SHUT_WR)
            got += peers.read_all(s)
            self.assertEqual(got.decode(), data.decode().upper())

    def test_goes_on_after_a_client_that_closes_at_once(self):
        server = self.serve(self.SCRIPT)
        for _ in range(10):
            peers.tcp(server.port).close()
        self.assertEqual(peers.ask_tcp(server.port, b"next"), b"NEXT")

    def test_prints_a_reset_and_go_on(self):
        server = self.serve(self.SCRIPT)
        s = peers.tcp(server.port)
        s.sendall(b"hello")
        self.assertEqual(s.recv(1), b"H")
        peer = "127.0.0.1:%d" % s.getsockname()[1]
        peers.reset(s)
        server.complains("ECONNRESET")
        self.assertIn(peer, server.err.text())
        self.assertEqual(peers.ask_tcp(server.port, b"next"), b"NEXT")

    def test_goes_on_after_a_client_that_resets_before_it_is_accepted(self):
        server = self.serve(self.SCRIPT)
        for _ in range(5):
            peers.reset(peers.tcp(server.port))
        self.assertEqual(peers.ask_tcp(server.port, b"next"), b"NEXT")

    def test_goes_on_after_a_client_that_closes_without_reading_the_reply(self):
        server = self.serve(self.SCRIPT)
        with peers.tcp(server.port) as s:
            s.sendall(b"x" * 100_000)
        self.assertEqual(peers.ask_tcp(server.port, b"next"), b"NEXT")

    def test_serves_both_families_on_the_any_address_of_ipv6(self):
        self.need_ipv6()
        server = self.serve(self.SCRIPT, "::")
        self.assertEqual(peers.ask_tcp(server.port, b"four", "127.0.0.1"), b"FOUR")
        self.assertEqual(peers.ask_tcp(server.port, b"six", "::1"), b"SIX")

    def test_prints_one_line_and_nothing_more(self):
        server = self.serve(self.SCRIPT)
        self.assertEqual(peers.ask_tcp(server.port, b"x"), b"X")
        self.assertEqual(server.out.text(), f"listening on 127.0.0.1:{server.port}\n")

    def test_names_the_holder_of_a_busy_port(self):
        server = self.serve(self.SCRIPT)
        second = self.run_soquete(self.SCRIPT, server.port, "127.0.0.1")
        self.assertEnds(second, 1, err="EADDRINUSE")
        self.assertIn(f"pid {server.pid}", second.err)
        self.assertIn("soquete", second.err)
        self.assertNotIn("listening", second.out)

    def test_refuses_a_bad_port_by_its_value(self):
        for bad in ("abc", "99999", "-1"):
            self.assertEnds(self.run_soquete(self.SCRIPT, bad), 1, err=f"'{bad}'")

    def test_refuses_an_address_that_is_not_of_this_machine(self):
        result = self.run_soquete(self.SCRIPT, 0, "192.0.2.1")  # RFC 5737: for documentation
        self.assertEnds(result, 1, err="EADDRNOTAVAIL")


class IterativeServer(BothServers, Case):
    SCRIPT = "02-tcp-server.lua"

    def test_lets_the_second_client_wait(self):
        server = self.serve("02-tcp-server.lua")
        first, second = peers.tcp(server.port), peers.tcp(server.port)
        first.sendall(b"first")
        self.assertEqual(first.recv(1), b"F")  # so it is the one that is served
        second.sendall(b"second")
        second.settimeout(0.3)
        with self.assertRaises(socket.timeout):
            second.recv(100)
        first.close()
        second.settimeout(30)
        self.assertEqual(second.recv(100), b"SECOND")
        second.close()

    @slow
    def test_gives_a_silent_client_ten_seconds(self):
        server = self.serve("02-tcp-server.lua")
        with peers.tcp(server.port) as silent, peers.tcp(server.port) as second:
            second.sendall(b"second")
            second.shutdown(socket.SHUT_WR)
            self.assertEqual(peers.read_all(second), b"SECOND")
            self.assertEqual(silent.recv(1), b"")  # it was let go
            server.complains("timeout")


class ConcurrentServer(BothServers, Case):
    SCRIPT = "02-tcp-server-concurrent.lua"

    def test_serves_beside_silent_clients(self):
        server = self.serve("02-tcp-server-concurrent.lua")
        silent = [peers.tcp(server.port) for _ in range(20)]
        self.assertEqual(peers.ask_tcp(server.port, b"at once"), b"AT ONCE")
        for s in silent:
            s.sendall(b"late")
            self.assertEqual(s.recv(100), b"LATE")
            s.close()

    @slow
    def test_lets_a_silent_client_go_too(self):
        server = self.serve("02-tcp-server-concurrent.lua")
        with peers.tcp(server.port) as silent:
            self.assertEqual(silent.recv(1), b"")
        server.complains("timeout")

    def test_differs_from_the_iterative_one_by_one_line(self):
        code = []
        for script in SERVERS:
            with open(os.path.join(SCRIPTS, script)) as f:
                code.append([line for line in f if not line.startswith("--")])
        changes = [d for d in difflib.ndiff(*code) if d[0] in "+-"]
        self.assertEqual(changes, ["-   handle(conn)\n", "+   net.spawn(handle, conn)\n"])


class TcpClient(Case):
    def server(self, transform=peers.upper, host="127.0.0.1"):
        """Reads to the end, then answers, then ends: what the lecture's client expects."""

        def serve(listener):
            conn, _ = listener.accept()
            with conn:
                conn.sendall(transform(peers.read_all(conn)))

        return peers.Server(self, serve, host=host)

    def test_prints_the_reply(self):
        result = self.client("02-tcp-client.lua", self.server(), "ação\n")
        self.assertEnds(result, 0, out="From Server: AÇÃO\n")

    def test_talks_to_both_of_our_servers(self):
        for script in SERVERS:
            server = self.serve(script)
            for sentence in ("hello", "ação", "x" * 100_000):
                result = self.client("02-tcp-client.lua", server, sentence + "\n")
                self.assertReplies(result, sentence.upper())

    def test_reads_a_reply_that_comes_byte_by_byte(self):
        def serve(listener):
            conn, _ = listener.accept()
            with conn:
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in peers.upper(peers.read_all(conn)):
                    conn.sendall(bytes([byte]))

        server = peers.Server(self, serve)
        self.assertReplies(self.client("02-tcp-client.lua", server.port, "ação\n"), "AÇÃO")

    def test_finds_a_server_by_name(self):
        result = self.client("02-tcp-client.lua", self.server(), "x\n", host="localhost")
        self.assertReplies(result, "X")

    def test_talks_ipv6(self):
        self.need_ipv6()
        server = self.server(host="::1")
        self.assertReplies(self.client("02-tcp-client.lua", server, "six\n", host="::1"), "SIX")

    def test_sends_an_empty_sentence_as_no_bytes(self):
        got = []
        server = self.server(lambda data: got.append(data) or b"")
        result = self.client("02-tcp-client.lua", server, "\n")
        self.assertEnds(result, 0, out="From Server: \n")
        self.assertEqual(got, [b""])

    def test_says_that_the_input_ended(self):
        server = self.server()
        result = self.client("02-tcp-client.lua", server, "")
        self.assertEnds(result, 1, err="the input ended before a sentence")

    def test_says_that_nothing_listens(self):
        with peers.udp() as unused:  # a port that no TCP socket listens on
            port = unused.getsockname()[1]
            result = self.client("02-tcp-client.lua", port, "x\n")
        self.assertEnds(result, 1, err=f"connect 127.0.0.1:{port}: connection refused")
        self.assertIn("hint: nothing listens there", result.err)

    def test_says_that_a_name_does_not_resolve(self):
        result = self.client("02-tcp-client.lua", 9, "x\n", host=harness.UNKNOWN_NAME)
        self.assertEnds(result, 1, err=harness.UNKNOWN_NAME)
        self.assertIn("hint: ", result.err)

    def test_refuses_a_bad_port_by_its_value(self):
        for bad in ("abc", "99999", "-1"):
            result = self.run_soquete("02-tcp-client.lua", "127.0.0.1", bad, text="x\n")
            self.assertEnds(result, 1, err=f"'{bad}'")

    def test_says_that_the_server_reset_the_connection(self):
        def serve(listener):
            conn, _ = listener.accept()
            peers.read_all(conn)
            peers.reset(conn)

        server = peers.Server(self, serve)
        result = self.client("02-tcp-client.lua", server.port, "hello\n")
        self.assertEnds(result, 1, err="ECONNRESET")


class SlowReader:
    """Takes one connection and reads it to its end, in small pieces, into .data."""

    def __init__(self, case):
        self.data = b""
        self.server = peers.Server(case, self.read)
        self.port = self.server.port

    def read(self, listener):
        conn, _ = listener.accept()
        with conn:
            while piece := conn.recv(3000):
                self.data += piece

    def ends(self):
        self.server.thread.join(PATIENCE)
        return self.data


class QueuedSends(Case):
    """What send has taken is delivered, however the program ends."""

    def ends_at_once(self, last_line):
        reader = SlowReader(self)
        code = """
        local net = require "net"
        local c = assert(net.connect("127.0.0.1", arg[1]))
        for i = 1, 1000 do c:send(("%08d"):format(i) .. ("x"):rep(1040)) end
        """
        result = self.code(code + last_line, reader.port)
        data = reader.ends()
        self.assertEqual(len(data), 1048000)
        pieces = [data[i : i + 1048] for i in range(0, len(data), 1048)]
        self.assertEqual([int(piece[:8]) for piece in pieces], list(range(1, 1001)))
        return result

    def test_leave_when_the_script_ends(self):
        self.assertEqual(self.ends_at_once("").status, 0)

    def test_leave_when_the_script_closes(self):
        self.assertEqual(self.ends_at_once("c:close()").status, 0)

    def test_leave_at_os_exit(self):
        self.assertEqual(self.ends_at_once("os.exit(3)").status, 3)

    def test_leave_when_the_script_fails(self):
        self.assertEqual(self.ends_at_once("error 'boom'").status, 1)

    def test_leave_before_a_command_that_blocks(self):
        reader = SlowReader(self)
        code = """
        local net = require "net"
        local c <close> = assert(net.connect("127.0.0.1", arg[1]))
        c:send("hello")
        os.execute("read line") -- ends when the test has seen the bytes
        """
        program = self.soquete(self.file("main.lua", code), reader.port)
        self.assertTrue(until(lambda: reader.data == b"hello"))
        program.end_input()
        self.assertEqual(program.ends(), 0)
        self.assertEqual(reader.ends(), b"hello")
