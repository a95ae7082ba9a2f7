"""01-udp-client.lua and 01-udp-server.lua, against each other and against Python."""

import socket
import time

import harness
import peers
from harness import Case, slow

LARGEST = 65507  # bytes of a UDP datagram over IPv4: 65,535 less the IP and UDP headers


class UdpServer(Case):
    def test_answers_a_datagram_in_upper_case(self):
        server = self.serve("01-udp-server.lua")
        self.assertEqual(peers.ask_udp(server.port, b"hello"), b"HELLO")
        self.assertEqual(peers.ask_udp(server.port, "ação".encode()), "AÇÃO".encode())

    def test_answers_each_client_at_its_own_port(self):
        server = self.serve("01-udp-server.lua")
        clients = [peers.udp() for _ in range(5)]
        for i, s in enumerate(clients):
            s.sendto(b"client %d" % i, ("127.0.0.1", server.port))
        for i, s in reversed(list(enumerate(clients))):
            self.assertEqual(s.recvfrom(100), (b"CLIENT %d" % i, ("127.0.0.1", server.port)))
            s.close()

    def test_answers_an_empty_datagram_with_an_empty_one(self):
        server = self.serve("01-udp-server.lua")
        self.assertEqual(peers.ask_udp(server.port, b""), b"")

    def test_answers_the_largest_datagram(self):
        server = self.serve("01-udp-server.lua")
        self.assertEqual(peers.ask_udp(server.port, b"x" * LARGEST), b"X" * LARGEST)

    def test_prints_that_a_reply_outgrows_a_datagram_and_goes_on(self):
        server = self.serve("01-udp-server.lua")
        with peers.udp() as s:
            growing = "ɐ".encode() * (LARGEST // 2)  # two bytes; its upper case has three
            s.sendto(growing, ("127.0.0.1", server.port))
            server.complains("EMSGSIZE")
            s.sendto(b"still there?", ("127.0.0.1", server.port))
            self.assertEqual(s.recv(100), b"STILL THERE?")

    def test_sends_a_letter_that_grows_as_long_as_it_fits(self):
        server = self.serve("01-udp-server.lua")
        self.assertEqual(peers.ask_udp(server.port, "ɐ".encode()).decode(), "Ɐ")

    def test_sends_back_bytes_that_are_no_text_as_they_are(self):
        server = self.serve("01-udp-server.lua")
        for data in (b"\xff\xfe", b"\xc3", b"\x00", b"\xe2\x82"):
            self.assertEqual(peers.ask_udp(server.port, data), data)
        self.assertEqual(peers.ask_udp(server.port, b"a\xc3"), b"A\xc3")

    def test_serves_both_families_on_the_any_address_of_ipv6(self):
        self.need_ipv6()
        server = self.serve("01-udp-server.lua", "::")
        self.assertEqual(peers.ask_udp(server.port, b"four", "127.0.0.1"), b"FOUR")
        self.assertEqual(peers.ask_udp(server.port, b"six", "::1"), b"SIX")

    def test_listens_on_every_address_unless_told(self):
        server = self.listening(self.soquete("01-udp-server.lua", "0"))
        self.assertEqual(server.host, "0.0.0.0")
        self.assertEqual(peers.ask_udp(server.port, b"any"), b"ANY")

    def test_names_the_holder_of_a_busy_port(self):
        first = self.serve("01-udp-server.lua")
        result = self.run_soquete("01-udp-server.lua", first.port, "127.0.0.1")
        self.assertEnds(result, 1, err="EADDRINUSE")
        self.assertIn(str(first.pid), result.err)
        self.assertIn("soquete", result.err)
        self.assertNotIn("listening", result.out)

    def test_refuses_a_bad_port_by_its_value(self):
        for bad in ("abc", "99999", "-1", "1.5", ""):
            result = self.run_soquete("01-udp-server.lua", bad)
            self.assertEnds(result, 1, err=f"'{bad}'")


class UdpClient(Case):
    def answer_once(self, transform=peers.upper, host="127.0.0.1"):
        def serve(s):
            data, client = s.recvfrom(65535)
            s.sendto(transform(data), client)

        return peers.Server(self, serve, socket.SOCK_DGRAM, host)

    def test_prints_the_reply_and_its_sender(self):
        server = self.answer_once()
        result = self.client("01-udp-client.lua", server.port, "ação\n")
        self.assertEnds(result, 0, out=f"From Server 127.0.0.1:{server.port}: AÇÃO\n")

    def test_talks_to_our_own_server(self):
        server = self.serve("01-udp-server.lua")
        for sentence in ("hello", "ação", "two words"):
            result = self.client("01-udp-client.lua", server, sentence + "\n")
            self.assertReplies(result, sentence.upper())

    def test_finds_a_server_by_name(self):
        server = self.serve("01-udp-server.lua")
        result = self.client("01-udp-client.lua", server, "by name\n", host="localhost")
        self.assertReplies(result, "BY NAME")

    def test_talks_ipv6(self):
        self.need_ipv6()
        server = self.answer_once(host="::1")
        result = self.client("01-udp-client.lua", server.port, "six\n", host="::1")
        self.assertEnds(result, 0, out=f"From Server [::1]:{server.port}: SIX\n")

    def test_sends_an_empty_sentence_as_an_empty_datagram(self):
        got = []

        def note(data):
            got.append(data)
            return data

        server = self.answer_once(note)
        result = self.client("01-udp-client.lua", server.port, "\n")
        self.assertEnds(result, 0, out=f"From Server 127.0.0.1:{server.port}: \n")
        self.assertEqual(got, [b""])

    def test_takes_a_sentence_without_a_newline(self):
        server = self.answer_once()
        self.assertReplies(self.client("01-udp-client.lua", server.port, "abc"), "ABC")

    def test_says_that_the_input_ended(self):
        result = self.run_soquete("01-udp-client.lua", "127.0.0.1", 9)
        self.assertEnds(result, 1, err="the input ended before a sentence")

    def test_sends_the_largest_datagram(self):
        server = self.answer_once()
        result = self.client("01-udp-client.lua", server.port, "x" * LARGEST)
        self.assertReplies(result, "X" * LARGEST)

    def test_says_that_a_sentence_is_too_long_for_a_datagram(self):
        for size in (LARGEST + 1, 200_000):
            result = self.client("01-udp-client.lua", 9, "x" * size)
            self.assertEnds(result, 1, err="EMSGSIZE")
            self.assertIn("65507", result.err)

    def test_says_that_a_name_does_not_resolve(self):
        result = self.client("01-udp-client.lua", 9, "x\n", host=harness.UNKNOWN_NAME)
        self.assertEnds(result, 1, err=harness.UNKNOWN_NAME)

    def test_refuses_a_bad_port_by_its_value(self):
        for bad in ("abc", "http", "99999", "-1"):  # an address has no service's name
            for script in ("01-udp-client.lua", "02-tcp-client.lua"):
                result = self.run_soquete(script, "127.0.0.1", bad, text="x\n")
                self.assertEnds(result, 1, err=f"bad address '{bad}'")

    @slow
    def test_gives_up_after_three_tries_of_two_seconds(self):
        got = []

        def stay_silent(s):
            while len(got) < 3:
                got.append((s.recvfrom(100)[0], time.monotonic()))

        server = peers.Server(self, stay_silent, socket.SOCK_DGRAM)
        result = self.client("01-udp-client.lua", server.port, "anyone?\n")
        self.assertEnds(result, 1, err=f"no reply from 127.0.0.1:{server.port}")
        self.assertEqual([data for data, _ in got], [b"anyone?"] * 3)
        for (_, before), (_, after) in zip(got, got[1:]):
            self.assertGreater(after - before, 1.9)
        self.assertNotIn("From Server", result.out)

    @slow
    def test_gives_up_where_nobody_listens(self):
        with peers.udp() as unused:
            port = unused.getsockname()[1]
        result = self.client("01-udp-client.lua", port, "anyone?\n")
        self.assertEnds(result, 1, err="no reply from")

    @slow
    def test_asks_again_when_a_datagram_is_lost(self):
        def lose_the_first(s):
            s.recvfrom(100)
            data, client = s.recvfrom(100)
            s.sendto(data.upper(), client)

        server = peers.Server(self, lose_the_first, socket.SOCK_DGRAM)
        self.assertReplies(self.client("01-udp-client.lua", server.port, "again\n"), "AGAIN")

    @slow
    def test_ignores_a_stranger_and_does_not_wait_longer_for_it(self):
        self.need_own_figures()
        times = []

        def let_a_stranger_answer(s):
            times.append(time.monotonic())
            data, client = s.recvfrom(100)
            with peers.udp() as stranger:
                s.settimeout(0.05)
                while True:  # until the second try comes
                    stranger.sendto(b"LIES", client)
                    try:
                        data, client = s.recvfrom(100)
                        break
                    except socket.timeout:
                        if time.monotonic() - times[0] > 20:
                            return
            times.append(time.monotonic())
            s.sendto(b"TRUTH", client)

        server = peers.Server(self, let_a_stranger_answer, socket.SOCK_DGRAM)
        result = self.client("01-udp-client.lua", server.port, "who?\n")
        self.assertReplies(result, "TRUTH")
        self.assertNotIn("LIES", result.out)
        self.assertLess(times[1] - times[0], 8)
