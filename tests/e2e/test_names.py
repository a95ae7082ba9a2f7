"""What names mean, where everything that could answer is the test's own."""

from harness import Case

# More questions than there are helper threads, all of which wait for the server.
STUCK = """
local asked = {}
for i = 1, 12 do
  asked[i] = net.spawn(net.gethostbyname, "machine" .. i .. ".example")
end
for _ = 1, 8 do assert(server:recvfrom()) end
"""


class Network(Case):
    """A network of its own, with its own tables of names."""

    BEGIN = 'local net = require "net"\n'
    TABLES = {}  # name of a file of /etc: its text

    def setUp(self):
        super().setUp()
        self.need("unshare", "ip")
        setup = "ip link set lo up"
        for name, text in self.TABLES.items():
            setup += f" && mount --bind {self.file(name, text)} /etc/{name}"
        self.inside = ["unshare", "-rnm", "sh", "-c", setup + ' && exec "$@"', "sh"]
        if self.run_program(*self.inside, "true").status != 0:
            self.skipTest("a network of one's own is not allowed")

    def names(self, *code):
        script = self.file("main.lua", "".join([self.BEGIN, *code, "\nos.exit(0)"]))
        return self.run_program(*self.inside, *self.command(script))


class SilentServer(Network):
    """Names while the name server says nothing."""

    BEGIN = Network.BEGIN + 'local server <close> = assert(net.udp("127.0.0.1:53"))\n'
    TABLES = {
        "hosts": "127.0.0.1 localhost\n"
        "192.0.2.7 Printer.Lab printer # in the corner\n"
        "2001:db8::7 printer.lab\n"
        "192.0.2.8 printer\n",
        "resolv.conf": "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n",
        "nsswitch.conf": "hosts: files dns\n",
    }

    def test_the_hosts_file_answers_while_all_threads_ask(self):
        code = """
        print(net.gethostbyname("localhost"), net.gethostbyname("PRINTER"))
        print(net.gethostbyname("scanner.localhost"))
        for _, a in ipairs(assert(net.getaddrinfo("printer.lab", 631))) do print(a) end
        print(net.getnameinfo("192.0.2.7:0"))
        print(net.connect("localhost:1"))
        """
        result = self.names(STUCK, code)
        self.assertEnds(result, 0, out="127.0.0.1\t192.0.2.7\n127.0.0.1\n")
        self.assertIn("192.0.2.7:631\n[2001:db8::7]:631\n", result.out)
        self.assertIn("Printer.Lab\t", result.out)
        self.assertIn("connection refused", result.out)

    def test_the_hosts_file_answers_while_threads_ask_for_nobody(self):
        code = """
        for _, task in ipairs(asked) do task:cancel() end
        print(net.gethostbyname("localhost"), net.gethostbyname("printer"))
        """
        self.assertEnds(self.names(STUCK, code), 0, out="127.0.0.1\t192.0.2.7\n")

    def test_a_name_below_localhost_is_never_asked_for(self):
        code = "print(net.gethostbyname('a.localhost'))"
        self.assertEnds(self.names(code), 0, out="127.0.0.1\n")

    def test_other_names_wait_and_are_named_in_the_report(self):
        code = """
        local late = net.spawn(net.getaddrinfo, "printer.example", 80)
        net.yield()
        print(net.tasks()[14].waits_in)
        """
        self.assertEnds(self.names(STUCK, code), 0, out="getaddrinfo printer.example\n")


class OneFamily(Network):
    """Names that have addresses of one family only."""

    TABLES = {
        "hosts": "127.0.0.1 localhost four.test\n2001:db8::7 six.test\n",
        "nsswitch.conf": "hosts: files\n",
    }

    def test_a_socket_of_both_families_sends_to_a_name_with_ipv4_only(self):
        code = """
        local r <close> = assert(net.udp("127.0.0.1:0"))
        local port = r:getsockname().port
        for _, name in ipairs { "localhost", "four.test" } do
          print(net.udp():sendto("x", name, port), (r:recvfrom()))
          print(net.udp():connect(name, port):getpeername().host)
        end
        """
        self.assertEnds(self.names(code), 0, out="1\tx\n127.0.0.1\n" * 2)

    def test_the_hint_says_that_the_name_is_of_the_other_family(self):
        code = """
        local s <close> = assert(net.socket(net.AF_INET, net.SOCK_DGRAM))
        for _, err in ipairs {
          select(2, s:sendto("x", "six.test", 9)), select(2, net.gethostbyname("six.test")),
          select(2, s:sendto("x", "none.test", 9)),
        } do print(err.code, err.hint) end
        """
        result = self.names(code)
        lines = result.out.splitlines()
        self.assertEqual(result.status, 0, result.err)
        self.assertIn("EAI_ADDRFAMILY\tthe name has addresses of the other", lines[0])
        self.assertIn("EAI_ADDRFAMILY\tthe name has IPv6 addresses only", lines[1])
        self.assertIn("EAI_NONAME\tno such name", lines[2])
