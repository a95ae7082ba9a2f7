"""What large moves cost: system calls, counted by strace."""

import os
import re
import tempfile

import harness
from harness import Case

# Enough for every piece below, so that none of them comes short.
HEAD = """
local net = require "net"
local a, b = net.socketpair()
a:setsockopt("SO_SNDBUF", 200000)
"""

# What is queued leaves while both ends are open.
TAIL = """
net.yield()
a:close()
b:close()
"""


class SystemCalls(Case):
    def calls_of(self, code):
        """Those that move bytes of sockets, in order: name and result."""
        self.need_strace()
        folder = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, folder)
        log = os.path.join(folder, "log")
        self.addCleanup(lambda: os.path.exists(log) and os.remove(log))
        which = "trace=recvfrom,recvmsg,sendto,sendmsg,sendfile"
        argv = ["strace", "-f", "-qq", "-o", log, "-e", which]
        quiet = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # it cannot look under ptrace
        result = self.run_program(*argv, harness.soquete, "-e", HEAD + code + TAIL, env=quiet)
        self.assertEnds(result, 0)
        with open(log, encoding="utf-8", errors="replace") as f:
            lines = re.findall(r"^\d+ +(\w+)\(.*= (-?\d+)", f.read(), re.MULTILINE)
        return [(name, int(result)) for name, result in lines]

    def test_a_receive_into_a_buffer_is_one_call(self):
        calls = self.calls_of(
            """
            a:send(("x"):rep(160000))
            a:close()
            local buffer, total = net.buffer(16000), 0
            while true do
              local n, err, code = b:recv_into(buffer)
              if not n then break end
              total = total + n
            end
            assert(total == 160000)
            """
        )
        received = [call for call in calls if call[0] == "recvfrom"]
        self.assertEqual(received, [("recvfrom", 16000)] * 10 + [("recvfrom", 0)])

    @harness.counts_calls
    def test_a_long_list_is_one_call_and_a_short_one_is_queued(self):
        calls = self.calls_of(
            """
            local list = {}
            for i = 1, 100 do list[i] = ("y"):rep(1000) end
            assert(a:send(list) == 100000)
            for _ = 1, 5 do assert(a:send { "ab", 1, net.buffer("cd") } == 5) end
            """
        )
        self.assertEqual(calls, [("sendmsg", 100000), ("sendto", 25)])

    @harness.counts_calls
    def test_few_bytes_in_many_fragments_are_copied(self):
        calls = self.calls_of(
            """
            local list = {}
            for i = 1, 5000 do list[i] = "0123456789" end
            assert(a:send(list) == 50000)
            """
        )
        self.assertEqual(calls, [("sendto", 50000)])

    @harness.counts_calls
    def test_a_buffer_leaves_in_one_call(self):
        calls = self.calls_of("assert(a:send(net.buffer(150000), 101) == 149900)")
        self.assertEqual(calls, [("sendto", 149900)])

    @harness.counts_calls
    def test_a_file_of_lua_never_passes_through_the_program(self):
        calls = self.calls_of(
            """
            local f <close> = assert(io.tmpfile())
            f:write(("z"):rep(100000))
            assert(a:sendfile(f) == 100000)
            """
        )
        self.assertEqual(calls, [("sendfile", 100000)])
