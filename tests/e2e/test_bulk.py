"""send_repeat and discard against Python."""

import hashlib
import os
import signal
import socket

import peers
from harness import Case

METHODS = ("send", "vmsplice", "sendfile", "zerocopy")
DATUM = bytes(i % 251 for i in range(70001))
TOTAL = 20_000_003

SEND = """
    local net = require "net"
    local parts = {}
    for i = 0, 70000 do parts[i + 1] = string.char(i % 251) end
    local s = assert(net.connect("127.0.0.1", arg[1]))
    local method, seconds = arg[2], tonumber(arg[3])
    local sent, err = s:send_repeat(table.concat(parts), {
      bytes = not seconds and 20000003 or nil, seconds = seconds, method = method,
    })
    local f = sent or err.figures
    print(f.bytes, f.ended or err.code, f.method)
    s:close()
"""

RECEIVE = """
    local net = require "net"
    local server = assert(net.listen("127.0.0.1:0"))
    print("listening on " .. server:getsockname())
    local s = assert(server:accept())
    local head = s:read()
    local f = assert(s:discard { bytes = tonumber(arg[1]) })
    print(head, f.bytes, f.ended, s:read "a")
"""


class Bulk(Case):
    def test_every_method_sends_every_byte(self):
        whole = hashlib.sha256((DATUM * (TOTAL // len(DATUM) + 1))[:TOTAL]).digest()
        for method in METHODS:
            got = hashlib.sha256()

            def read(listener):
                client, _ = listener.accept()
                with client:
                    while data := client.recv(1 << 20):
                        got.update(data)

            server = peers.Server(self, read)
            result = self.code(SEND, server.port, method)
            server.thread.join()
            self.assertEnds(result, 0, f"{TOTAL}\tbytes\t{method}")
            self.assertEqual(got.digest(), whole, method)
            self.assertEqual(result.err, "")

    def test_the_way_is_chosen_by_what_there_is_to_do(self):
        code = """
            local net = require "net"
            local MIB <const> = 1 << 20
            local server = assert(net.listen("127.0.0.1:0"))
            local a = assert(net.connect(server:getsockname()))
            local b = assert(server:accept())
            local large = ("x"):rep(9 * MIB)
            for _, size in ipairs { 20 * MIB, 40 * MIB } do -- copied, lent
              local reader = net.spawn(b.discard, b, { bytes = size })
              print(assert(a:send_repeat(large, { bytes = size })).method)
              reader:join()
            end
            local reader = net.spawn(b.discard, b)
            a:send_repeat(large, { bytes = 40 * MIB })
            net.sleep(0.05)
            print(b:getsockopt("SO_RCVLOWAT") > 1) -- while it waits, few bytes do not wake it
            a:close()
            reader:join()
            print(b:getsockopt("SO_RCVLOWAT"))
        """
        self.assertEnds(self.code(code), 0, "send\nvmsplice\ntrue\n1\n")

    def test_both_sides_count_the_same_when_the_time_is_up(self):
        count = 0

        def read(listener):
            nonlocal count
            client, _ = listener.accept()
            with client:
                while data := client.recv(1 << 20):
                    count += len(data)

        server = peers.Server(self, read)
        result = self.code(SEND, server.port, "send", "0.3")
        server.thread.join()
        self.assertEnds(result, 0, f"{count}\tseconds")
        self.assertEqual(result.err, "")  # the watchdog has nothing to say

    def test_a_peer_that_goes_away_is_an_error_and_no_signal(self):
        for method in METHODS:

            def leave(listener):
                client, _ = listener.accept()
                client.recv(100000)
                peers.reset(client)

            server = peers.Server(self, leave)
            result = self.code(SEND, server.port, method, "60")
            self.assertEqual(result.status, 0, result)
            self.assertRegex(result.out, rf"\d+\t(ECONNRESET|EPIPE)\t{method}")

    def test_what_is_discarded_is_counted_and_the_rest_is_read(self):
        program = self.listening(self.soquete(self.file("main.lua", RECEIVE), TOTAL))
        with peers.tcp(program.port) as s:
            s.sendall(b"head\n" + bytes(TOTAL) + b"tail")
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(program.ends(), 0)
        program.says(f"head\t{TOTAL}\tbytes\ttail\n")

    def test_a_pipe_is_discarded(self):
        to_it, ours = os.pipe()
        code = """
            local net = require "net"
            local pipe = assert(net.fdopen(tonumber(arg[1])))
            print(pipe:discard { bytes = 100000 }.bytes, pipe:discard().ended)
        """
        program = self.soquete(self.file("main.lua", code), to_it, pass_fds=[to_it])
        os.close(to_it)
        with open(ours, "wb") as pipe:
            pipe.write(bytes(300000))
        self.assertEqual(program.ends(), 0)
        program.says("100000\teof\n")

    def test_a_pipe_is_sent_to(self):
        ours, to_it = os.pipe()
        code = """
            local net = require "net"
            local pipe = assert(net.fdopen(tonumber(arg[1])))
            print(pipe:send_repeat("0123456789", { bytes = 300005 }).bytes)
        """
        program = self.soquete(self.file("main.lua", code), to_it, pass_fds=[to_it])
        os.close(to_it)
        with open(ours, "rb") as pipe:
            self.assertEqual(pipe.read(), (b"0123456789" * 30001)[:300005])
        self.assertEqual(program.ends(), 0)
        program.says("300005\n")

    def test_other_tasks_run_while_it_never_has_to_wait(self):
        code = """
            local net = require "net"
            local null, zero = net.fdopen(tonumber(arg[1])), net.fdopen(tonumber(arg[2]))
            local turns, ended = 0, false
            net.spawn(function()
              while not ended do
                turns = turns + 1
                net.yield()
              end
            end)
            null:send_repeat("x", { bytes = 64 << 20 })
            print(turns > 5 or turns)
            turns = 0
            zero:discard { bytes = 1 << 30 }
            print(turns > 5 or turns)
            ended = true
        """
        with open("/dev/null", "wb") as null, open("/dev/zero", "rb") as zero:
            fds = [null.fileno(), zero.fileno()]
            program = self.soquete(self.file("main.lua", code), *fds, pass_fds=fds)
            self.assertEqual(program.ends(), 0)
        program.says("true\ntrue\n")

    def test_an_interrupt_ends_it(self):
        code = """
            local net = require "net"
            local a, b = net.socketpair()
            local told = false
            net.spawn(b.discard, b)
            a:send_repeat("x", { seconds = 60, every = 0.1, on_tick = function()
              if not told then print("it runs") io.stdout:flush() end
              told = true
            end })
        """
        program = self.soquete(self.file("main.lua", code))
        program.says("it runs")
        program.signal(signal.SIGINT)
        self.assertEqual(program.ends(), -signal.SIGINT)
