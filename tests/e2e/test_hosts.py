"""05-hosts.lua: names to addresses and back, as /etc/hosts and the resolver tell them."""

import socket
import unittest

import harness
from harness import Case


def knows_localhost():
    try:
        return socket.getnameinfo(("127.0.0.1", 0), socket.NI_NAMEREQD)[0] == "localhost"
    except OSError:
        return False


@unittest.skipUnless(knows_localhost(), "the system's tables do not name localhost")
class Hosts(Case):
    def test_prints_every_address_of_a_name(self):
        result = self.run_soquete("05-hosts.lua", "localhost")
        self.assertEnds(result, 0, out="localhost\n")
        for family, *_, address in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM):
            label = "IPv6" if family == socket.AF_INET6 else "IPv4"
            self.assertIn(f"  {label}\t{address[0]}\t-> ", result.out)

    def test_prints_the_name_of_an_address(self):
        name = socket.getnameinfo(("127.0.0.1", 0), 0)[0]
        result = self.run_soquete("05-hosts.lua", "127.0.0.1")
        self.assertEnds(result, 0, out=f"  IPv4\t127.0.0.1\t-> {name}\n")

    def test_prints_addresses_of_ipv6(self):
        self.assertEnds(self.run_soquete("05-hosts.lua", "::1"), 0, out="  IPv6\t::1\t-> ")

    def test_says_that_an_address_has_no_name(self):
        result = self.run_soquete("05-hosts.lua", "192.0.2.1")  # RFC 5737: for documentation
        self.assertEnds(result, 0, out="  IPv4\t192.0.2.1\t-> no name\n")

    def test_goes_on_after_a_name_that_does_not_resolve(self):
        result = self.run_soquete("05-hosts.lua", harness.UNKNOWN_NAME, "127.0.0.1")
        self.assertEnds(result, 1, out="127.0.0.1\n", err=harness.UNKNOWN_NAME)

    def test_asks_for_a_name(self):
        self.assertEnds(self.run_soquete("05-hosts.lua"), 2, err="usage: 05-hosts.lua NAME")
