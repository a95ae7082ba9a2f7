"""Many datagrams at once, with Python on the other side, and on a narrow network."""

import socket
import struct
import subprocess

from harness import Case

UDP_SEGMENT, UDP_GRO = 103, 104  # linux/udp.h; Python 3.11 does not name them
SENDER = """
local net = require "net"
local to = net.address(arg[1], arg[2])
local s <close> = assert(net.socket(to.family, net.SOCK_DGRAM))
local list = {}
for i = 1, tonumber(arg[3]) do
  list[i] = ("%05d"):format(i) .. ("x"):rep(i % 10 == 0 and 100 or 1000)
end
local n, figures = assert(s:send_many(list, { to = to }))
print(n, figures.bytes, figures.method)
"""
RECEIVER = """
local net = require "net"
local s <close> = assert(net.udp(arg[1] .. ":0"))
s:setsockopt("SO_RCVBUF", 1 << 20)
s:setsockopt("UDP_GRO", arg[2] == "joined")
print("listening on " .. s:getsockname())
io.stdout:flush()
local count, want = 0, tonumber(arg[3])
while count < want do
  local datas, froms, sizes = assert(s:recv_many(50))
  for i, data in ipairs(datas) do
    count = count + 1
    print(data:sub(1, 5), #data, sizes[i], froms[i].port)
  end
end
"""
# On a device whose MTU is smaller than the datagrams.
NARROW = """
local net = require "net"
local a <close> = assert(net.udp("127.0.0.1:0"))
local b <close> = assert(net.udp("127.0.0.1:0"))
b:setsockopt("SO_RCVBUF", 1 << 20)
a:connect(b:getsockname())
for _, size in ipairs { 1000, 4000 } do
  local list = {}
  for i = 1, 20 do list[i] = ("%05d"):format(i) .. ("x"):rep(size) end
  local n, figures = assert(a:send_many(list))
  local got = {}
  while #got < n do table.move(assert(b:recv_many()), 1, 64, #got + 1, got) end
  for i = 1, n do assert(got[i] == list[i]) end
  print(size, n, figures.method)
end
local sent = assert(a:send_repeat(("x"):rep(1000), { count = 100, method = "sendmmsg" }))
print(sent.datagrams, sent.method)
local failed, err, code = a:send_repeat(("x"):rep(4000), { count = 100, method = "gso" })
print(failed, code, err.figures.datagrams)
"""


def bound(family, host):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.settimeout(30)
    s.bind((host, 0))
    return s


class Many(Case):
    def check_sent(self, family, host):
        with bound(family, host) as s:
            result = self.code(SENDER, host, s.getsockname()[1], 150)
            self.assertEnds(result, 0, out="150\t")
            for i in range(1, 151):
                data = s.recv(65536)
                self.assertEqual(data[:5], b"%05d" % i)
                self.assertEqual(len(data), 105 if i % 10 == 0 else 1005)
            s.setblocking(False)
            self.assertRaises(BlockingIOError, s.recv, 1)

    def test_python_gets_each_datagram_whole_and_in_order(self):
        self.check_sent(socket.AF_INET, "127.0.0.1")

    def test_python_gets_each_datagram_over_ipv6(self):
        self.need_ipv6()
        self.check_sent(socket.AF_INET6, "::1")

    def receive(self, joined, send):
        """What soquete prints of ten datagrams that send(socket) sends to it."""
        program = self.listening(self.soquete(self.file("r.lua", RECEIVER), "127.0.0.1", joined, 10))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", program.port))
            send(s)
            port = s.getsockname()[1]
            self.assertEqual(program.ends(), 0, program.told())
        lines = program.out.text().splitlines()[1:]
        return [line.split("\t")[:3] for line in lines], {line.split("\t")[3] for line in lines}, port

    def test_takes_many_from_python(self):
        def send(s):
            for i in range(10):
                s.send(b"%05d" % i + b"y" * i)

        lines, ports, port = self.receive("single", send)
        self.assertEqual(lines, [["%05d" % i, str(5 + i), str(5 + i)] for i in range(10)])
        self.assertEqual(ports, {str(port)})

    def test_tells_a_train_from_python_apart(self):
        def send(s):
            train = b"".join(b"%05d" % i + b"z" * 95 for i in range(9)) + b"00009end"
            cut = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 100))]
            try:
                s.sendmsg([train], cut)
            except OSError as error:
                self.skipTest(f"no segmentation offload here: {error}")

        for joined in ("joined", "single"):
            lines, ports, port = self.receive(joined, send)
            expected = [["%05d" % i, "100", "100"] for i in range(9)] + [["00009", "8", "8"]]
            self.assertEqual(lines, expected, joined)
            self.assertEqual(ports, {str(port)})

    def test_a_train_that_the_device_refuses_goes_one_by_one(self):
        probe = subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up", "mtu", "1500"],
                               capture_output=True, check=False)
        if probe.returncode != 0:
            self.skipTest("no network of its own can be made here")
        shell = 'ip link set lo up mtu 1500 && exec "$@"'
        result = self.run_program("unshare", "-n", "sh", "-c", shell, "sh",
                                  *self.command(self.file("narrow.lua", NARROW)))
        self.assertEqual(result.status, 0, result)
        lines = result.out.splitlines()
        self.assertIn(lines[0], ("1000\t20\tgso", "1000\t20\tsendmmsg"))
        self.assertEqual(lines[1], "4000\t20\tsendmmsg")
        self.assertEqual(lines[2], "100\tsendmmsg")
        self.assertRegex(lines[3], "^nil\t(EMSGSIZE|EINVAL|EIO)\t0$")

    def test_a_repeated_datagram_reaches_python_with_its_numbers(self):
        code = """
        local net = require "net"
        local s <close> = assert(net.socket(net.AF_INET, net.SOCK_DGRAM))
        local f = assert(s:send_repeat("12345678payload",
          { count = 200, numbered = true, to = "127.0.0.1:" .. arg[1] }))
        print(f.datagrams, f.bytes)
        """
        with bound(socket.AF_INET, "127.0.0.1") as s:
            self.assertEnds(self.code(code, s.getsockname()[1]), 0, out="200\t3000")
            for i in range(1, 201):
                self.assertEqual(s.recv(100), struct.pack(">Q", i) + b"payload")
