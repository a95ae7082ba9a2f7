"""06-line-client.lua and 06-line-server.lua, against each other and against Python."""

import socket

import harness
import peers
from harness import Case, until


class LineServer(Case):
    def test_answers_many_lines_over_one_connection(self):
        server = self.serve("06-line-server.lua")
        with peers.tcp(server.port) as s:
            for line in ("one", "two", "", "ação"):
                s.sendall(line.encode() + b"\n")
                self.assertEqual(peers.read_line(s).decode(), line.upper() + "\n")

    def test_answers_lines_that_come_in_one_piece(self):
        server = self.serve("06-line-server.lua")
        self.assertEqual(peers.ask_tcp(server.port, b"one\ntwo\r\nthree\n"), b"ONE\nTWO\nTHREE\n")

    def test_answers_a_line_whose_bytes_come_one_at_a_time(self):
        server = self.serve("06-line-server.lua")
        with peers.tcp(server.port) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in "ação\n".encode():
                s.sendall(bytes([byte]))
                self.assertTrue(until(lambda: peers.is_read(s)))
            self.assertEqual(peers.read_line(s).decode(), "AÇÃO\n")

    def test_answers_a_last_line_that_lacks_its_newline(self):
        server = self.serve("06-line-server.lua")
        self.assertEqual(peers.ask_tcp(server.port, b"one\ntwo"), b"ONE\nTWO\n")

    def test_sends_back_half_a_letter_as_it_is(self):
        server = self.serve("06-line-server.lua")
        self.assertEqual(peers.ask_tcp(server.port, b"ab\xc3\ncd\n"), b"AB\xc3\nCD\n")

    def test_serves_many_clients_by_turns(self):
        server = self.serve("06-line-server.lua")
        clients = [peers.tcp(server.port) for _ in range(10)]
        for turn in range(3):
            for i, s in enumerate(clients):
                s.sendall(b"client %d turn %d\n" % (i, turn))
            for i, s in enumerate(clients):
                self.assertEqual(peers.read_line(s), b"CLIENT %d TURN %d\n" % (i, turn))
        for s in clients:
            s.close()

    def test_lets_a_silent_client_stay_and_serves_the_others(self):
        server = self.serve("06-line-server.lua")
        with peers.tcp(server.port) as silent:
            self.assertEqual(peers.ask_tcp(server.port, b"at once\n"), b"AT ONCE\n")
            silent.sendall(b"late\n")
            self.assertEqual(peers.read_line(silent), b"LATE\n")

    def test_goes_on_after_clients_that_close_at_once(self):
        server = self.serve("06-line-server.lua")
        for _ in range(10):
            peers.tcp(server.port).close()
        self.assertEqual(peers.ask_tcp(server.port, b"next\n"), b"NEXT\n")

    def test_prints_a_reset_and_goes_on(self):
        server = self.serve("06-line-server.lua")
        s = peers.tcp(server.port)
        s.sendall(b"hello\n")
        self.assertEqual(peers.read_line(s), b"HELLO\n")
        peers.reset(s)
        server.complains("ECONNRESET")
        self.assertEqual(peers.ask_tcp(server.port, b"next\n"), b"NEXT\n")

    def test_prints_a_line_that_is_too_long_and_goes_on(self):
        server = self.serve("06-line-server.lua")
        with peers.tcp(server.port) as s:
            try:
                s.sendall(b"x" * 2_000_000)
            except ConnectionError:  # it has closed meanwhile: that is its right
                pass
            server.complains("oversized")
        self.assertEqual(peers.ask_tcp(server.port, b"next\n"), b"NEXT\n")

    def test_names_the_holder_of_a_busy_port(self):
        first = self.serve("06-line-server.lua")
        second = self.run_soquete("06-line-server.lua", first.port, "127.0.0.1")
        self.assertEnds(second, 1, err="EADDRINUSE")
        self.assertIn(f"pid {first.pid}", second.err)

    def test_refuses_a_bad_port_by_its_value(self):
        for bad in ("abc", "99999"):
            self.assertEnds(self.run_soquete("06-line-server.lua", bad), 1, err=f"'{bad}'")


class LineClient(Case):
    def server(self, answer=peers.upper, host="127.0.0.1"):
        def serve(listener):
            conn, _ = listener.accept()
            with conn:
                while True:
                    line = peers.read_line(conn)
                    if not line:
                        return
                    conn.sendall(answer(line))

        return peers.Server(self, serve, host=host)

    def test_prints_the_reply_to_each_line(self):
        result = self.client("06-line-client.lua", self.server(), "one\nação\n\nthree\n")
        self.assertReplies(result, "ONE", "AÇÃO", "", "THREE")

    def test_talks_to_our_own_server(self):
        server = self.serve("06-line-server.lua")
        result = self.client("06-line-client.lua", server, "um\ndois, ação\n")
        self.assertReplies(result, "UM", "DOIS, AÇÃO")

    def test_sends_a_line_before_it_reads_the_next(self):
        client = self.soquete("06-line-client.lua", "127.0.0.1", self.server().port)
        for word in ("one", "two"):
            client.says("Input lowercase sentence: ")
            client.type(word + "\n")
            client.says("From Server: " + word.upper())
        client.end_input()
        self.assertEqual(client.ends(), 0)

    def test_takes_a_last_line_without_a_newline(self):
        self.assertReplies(self.client("06-line-client.lua", self.server(), "a\nb"), "A", "B")

    def test_talks_ipv6(self):
        self.need_ipv6()
        server = self.server(host="::1")
        self.assertReplies(self.client("06-line-client.lua", server, "six\n", host="::1"), "SIX")

    def test_says_that_the_input_ended(self):
        result = self.client("06-line-client.lua", self.server(), "")
        self.assertEnds(result, 1, err="the input ended before a sentence")

    def test_says_that_the_server_ended_the_conversation(self):
        def serve(listener):
            conn, _ = listener.accept()
            with conn:
                conn.sendall(peers.upper(peers.read_line(conn)))
                conn.shutdown(socket.SHUT_WR)
                peers.read_all(conn)

        server = peers.Server(self, serve)
        result = self.client("06-line-client.lua", server.port, "one\ntwo\n")
        self.assertEnds(result, 1, out="From Server: ONE\n", err="eof")

    def test_says_that_nothing_listens(self):
        with peers.udp() as unused:
            result = self.client("06-line-client.lua", unused.getsockname()[1], "x\n")
        self.assertEnds(result, 1, err="connection refused")

    def test_says_that_a_name_does_not_resolve(self):
        result = self.client("06-line-client.lua", 9, "x\n", host=harness.UNKNOWN_NAME)
        self.assertEnds(result, 1, err=harness.UNKNOWN_NAME)

    def test_refuses_a_bad_port_by_its_value(self):
        for bad in ("abc", "99999"):
            result = self.run_soquete("06-line-client.lua", "127.0.0.1", bad, text="x\n")
            self.assertEnds(result, 1, err=f"'{bad}'")
