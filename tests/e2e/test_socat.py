"""The course's scripts and socat, both ways."""

import re

import peers
from harness import Case, until


class Socat(Case):
    def setUp(self):
        super().setUp()
        self.need("socat")

    def socat(self, address, text):
        """Types into a connection, and reads until the peer ends."""
        return self.run_program("socat", "-t", "20", "-", address, text=text).out

    def upper_tcp(self):
        """A server that upper-cases ASCII line by line: `sed` at each connection's end."""
        upper = self.file("upper.sh", "#!/bin/sh\nexec sed -u 's/.*/\\U&/'\n", 0o755)
        listen = "TCP4-LISTEN:0,bind=127.0.0.1,fork"
        socat = self.start("socat", "-d", "-d", listen, f"EXEC:{upper}")
        found = socat.err.wait(re.compile(r"listening on AF=2 127\.0\.0\.1:(\d+)").search)
        return int(found.group(1))

    def test_socat_is_served_over_udp(self):
        server = self.serve("01-udp-server.lua")
        client = self.start("socat", "-", f"UDP4:127.0.0.1:{server.port}")
        client.type("ação")
        client.says("AÇÃO")

    def test_socat_is_served_over_tcp(self):
        for script in ("02-tcp-server.lua", "02-tcp-server-concurrent.lua"):
            server = self.serve(script)
            self.assertEqual(self.socat(f"TCP4:127.0.0.1:{server.port}", "ação\n"), "AÇÃO\n")

    def test_socat_is_served_over_ipv6(self):
        self.need_ipv6()
        server = self.serve("02-tcp-server.lua", "::")
        self.assertEqual(self.socat(f"TCP6:[::1]:{server.port}", "six"), "SIX")

    def test_socat_is_served_line_by_line(self):
        server = self.serve("06-line-server.lua")
        self.assertEqual(self.socat(f"TCP4:127.0.0.1:{server.port}", "a\nb\n"), "A\nB\n")

    def test_socat_answers_the_udp_client(self):
        socat = self.start("socat", "UDP4-RECVFROM:0,bind=127.0.0.1,fork", "SYSTEM:exec tr a-z A-Z")
        self.assertTrue(until(lambda: peers.udp_port_of(socat.pid)), socat.told())
        port = peers.udp_port_of(socat.pid)
        self.assertReplies(self.client("01-udp-client.lua", port, "hello\n"), "HELLO")

    def test_socat_answers_the_tcp_client(self):
        result = self.client("02-tcp-client.lua", self.upper_tcp(), "hello\n")
        self.assertReplies(result, "HELLO")

    def test_socat_answers_the_line_client(self):
        result = self.client("06-line-client.lua", self.upper_tcp(), "one\ntwo\n")
        self.assertReplies(result, "ONE", "TWO")
