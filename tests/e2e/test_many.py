"""Slow peers, many of them, and those that never stop: what they may cost, and that every
byte stays right. How long things take is for `make soak` to measure."""

import re

import harness
import peers
from harness import Case, slow, until

MANY = 9000  # connections; the limit of descriptors is 20,000
SLOW = 300
MEBIBYTE = 1 << 20

LINES = """
local net = require "net"
local server <close> = assert(net.listen("127.0.0.1:0"))
print("listening on " .. server:getsockname())
net.serve(server, function(conn)
  for line in conn:lines() do conn:send(line:upper() .. "\\n") end
end)
"""

# Opens connections, and for each line on standard input asks on all of them.
HOLDER = """
local net = require "net"
local port, conns = arg[1], {}
for i = 1, tonumber(arg[2]) do conns[i] = assert(net.connect("127.0.0.1", port)) end
print("open")
for round in io.lines() do
  for i, conn in ipairs(conns) do assert(conn:send(round .. i .. "\\n")) end
  for i, conn in ipairs(conns) do
    local answer = assert(conn:read())
    assert(answer == (round .. i):upper(), answer)
  end
  print("answered " .. round)
end
"""

# Many that send a byte now and then, and one that asks as fast as it can.
DRIPPING = """
local net = require "net"
local port = arg[1]
local function slow(i)
  local conn <close> = assert(net.connect("127.0.0.1", port))
  local line = ("line of %d"):format(i)
  for byte in (line .. "\\n"):gmatch(".") do
    assert(conn:send(byte))
    net.sleep(0.01)
  end
  assert(assert(conn:read()) == line:upper())
end
local tasks = {}
for i = 1, tonumber(arg[2]) do tasks[i] = net.spawn(slow, i) end
local conn <close> = assert(net.connect("127.0.0.1", port))
for i = 1, 1000 do
  assert(conn:send("fast " .. i .. "\\n"))
  assert(assert(conn:read()) == "FAST " .. i)
end
for _, task in ipairs(tasks) do task:join() end
print("right")
"""


def is_sanitized():
    with open(harness.soquete, "rb") as f:
        return b"__asan_init" in f.read()


class Memory(Case):
    """Figures of proc(5), status: what is resident, and the most that ever was."""

    def resident(self, program, field="VmRSS"):
        with open(f"/proc/{program.pid}/status") as f:
            return int(re.search(rf"^{field}:\s+(\d+) kB", f.read(), re.M).group(1)) * 1024

    def assertFlat(self, program, before):
        if not is_sanitized():  # it keeps what is freed
            grown = self.resident(program, "VmHWM") - before
            self.assertLess(grown, 4 * MEBIBYTE)  # garbage of a small heap among it

    def server(self, code):
        head = """
        local net = require "net"
        local server <close> = assert(net.listen("127.0.0.1:0"))
        print("listening on " .. server:getsockname())
        local conn <close> = assert(server:accept())
        """
        return self.listening(self.soquete(self.file("main.lua", head + code)))

    @slow
    def test_a_line_without_an_end_costs_no_memory_and_no_byte(self):
        self.need_own_figures()
        total = 300 * MEBIBYTE
        server = self.server("""
        local line, err, code = conn:read()
        print(("code %s, kept %d"):format(code, err.partial))
        local again, _, same = conn:read()
        assert(not again and same == "oversized")
        local count = 0
        for piece in conn:pieces() do
          assert(piece == ("x"):rep(#piece))
          count = count + #piece
        end
        print("came " .. count)
        io.read()
        """)
        before = self.resident(server)
        with peers.tcp(server.port) as s:
            for _ in range(total // MEBIBYTE):
                s.sendall(b"x" * MEBIBYTE)
        server.says(f"came {total}\n")
        kept = int(re.search(r"code oversized, kept (\d+)\n", server.out.text()).group(1))
        self.assertGreater(kept, MEBIBYTE)  # the limit of a line
        self.assertLess(kept, 2 * MEBIBYTE)
        self.assertFlat(server, before)

    @slow
    def test_a_peer_that_never_reads_costs_no_memory(self):
        self.need_own_figures()
        for size in (9, 65536):
            server = self.server(f"""
            local count, data = 0, ("x"):rep({size})
            conn:settimeout(0.5)
            local n, err, code
            repeat
              n, err, code = conn:send(data)
              count = count + (n or err.sent)
            until not n
            print(code .. " after " .. count)
            io.read()
            """)
            before = self.resident(server)
            with peers.tcp(server.port) as s:
                server.says("timeout after ")
                self.assertFlat(server, before)
                count = int(re.search(r"after (\d+)\n", server.out.text()).group(1))
                server.end_input()  # it closes: what it has sent is still to come
                self.assertEqual(len(peers.read_all(s)), count)


class Many(Case):
    def descriptors(self, program):
        return harness.descriptors(program.pid)

    @slow
    def test_nine_thousand_idle_connections_are_held_and_answered(self):
        self.need_own_figures()
        server = self.listening(self.soquete(self.file("server.lua", LINES)))
        before = self.descriptors(server)
        many = 300 if is_sanitized() else MANY  # it collects all garbage at every wait
        holder = self.soquete(self.file("holder.lua", HOLDER), server.port, many)
        holder.says("open\n", 60)
        holder.type("first ")
        holder.type("\n")
        holder.says("answered first", 60)
        self.assertEqual(self.descriptors(server), before + many)
        self.assertEqual(peers.ask_tcp(server.port, b"one more\n"), b"ONE MORE\n")
        holder.type("last\n")
        holder.says("answered last", 60)
        self.assertEqual(self.finish(holder, patience=60).status, 0)
        self.assertTrue(until(lambda: self.descriptors(server) == before))

    @slow
    def test_slow_ones_are_answered_beside_a_fast_one(self):
        server = self.listening(self.soquete(self.file("server.lua", LINES)))
        client = self.soquete(self.file("client.lua", DRIPPING), server.port, SLOW)
        self.assertEqual(self.finish(client, patience=60).out, "right\n")

    def test_a_lack_of_descriptors_costs_few_tries(self):
        command = 'ulimit -n 24; exec "$0" --trace "$@"'
        path = self.file("server.lua", LINES)
        server = self.listening(self.start("bash", "-c", command, harness.soquete, path))
        clients = [peers.tcp(server.port) for _ in range(40)]
        served = clients[0].makefile("rwb", 0)
        tries = re.compile(r"^ *(\d+\.\d+) .* accept .*EMFILE", re.M)
        # It serves whom it has until it has tried six times.
        tried = lambda: len(tries.findall(server.err.text()))  # noqa: E731
        self.assertTrue(until(lambda: self.ask(served) and tried() >= 6))
        times = [float(t) for t in tries.findall(server.err.text())][:9]
        # A listener that is always readable is asked again after 5, 10, 20 … ms.
        for n, (earlier, later) in enumerate(zip(times, times[1:])):
            self.assertGreaterEqual(later - earlier, 0.005 * 2**n - 0.001, times)
        for s in clients[1:]:
            s.close()
        self.assertTrue(until(lambda: self.is_served(server)))
        served.close()
        clients[0].close()

    def ask(self, file):
        file.write(b"served\n")
        return file.readline() == b"SERVED\n"

    def is_served(self, server):
        try:
            return peers.ask_tcp(server.port, b"at last\n") == b"AT LAST\n"
        except OSError:  # refused for lack of a descriptor
            return False
