"""Descriptors, children, privileges, and what happens when something runs out."""

import os
import shutil
import signal
import socket
import subprocess
import time

import harness
import peers
from harness import Case, slow, until

UNPRIVILEGED_START = "/proc/sys/net/ipv4/ip_unprivileged_port_start"


class Descriptors(Case):
    def test_children_see_only_the_standard_ones(self):
        self.need_own_figures()
        code = """
        local net = require "net"
        local server <close> = net.listen("127.0.0.1:0")
        local client <close> = net.connect(server:getsockname())
        local conn <close> = server:accept()
        local datagrams <close> = net.udp("127.0.0.1:0")
        local task = net.spawn(function() return io.read() end)
        net.yield()
        os.execute("ls /proc/self/fd")
        local pipe = io.popen("ls /proc/self/fd")
        print(pipe:read("a"))
        """
        result = self.code(code)
        self.assertEnds(result, 0)
        # ls itself holds the folder open as 3.
        self.assertEqual(result.out.split(), ["0", "1", "2", "3"] * 2)

    def test_the_soft_limit_is_raised_to_the_hard_one(self):
        self.need_own_figures()
        command = 'ulimit -S -n 64; exec "$0" -e "os.execute([[ulimit -S -n]])"'
        result = self.run_program("bash", "-c", command, harness.soquete)
        hard = subprocess.run(["bash", "-c", "ulimit -H -n"], capture_output=True, text=True)
        self.assertEqual(result.out, hard.stdout)

    @slow
    def test_a_lack_of_them_neither_spins_nor_ends_the_listener(self):
        self.need_own_figures()
        # The soft limit would be raised: the hard one is set.
        command = 'ulimit -n 16; exec "$0" "$@"'
        script = os.path.join(harness.SCRIPTS, "02-tcp-server-concurrent.lua")
        argv = ["bash", "-c", command, harness.soquete, script, "0", "127.0.0.1"]
        server = self.listening(self.start(*argv))
        clients = [peers.tcp(server.port) for _ in range(20)]  # the queue takes the rest
        server.complains("EMFILE")
        before, begin = peers.cpu_ticks(server.pid), time.monotonic()
        # While it has no descriptor left, it serves whom it has.
        for _ in range(20):
            clients[0].sendall(b"served")
            self.assertEqual(clients[0].recv(6), b"SERVED")
            time.sleep(0.05)  # measures, not waits: the time in which it might spin
        share = (peers.cpu_ticks(server.pid) - before) / os.sysconf("SC_CLK_TCK")
        self.assertLess(share / (time.monotonic() - begin), 0.3)
        self.assertLessEqual(server.err.text().count("EMFILE"), 3)
        for s in clients:
            s.close()
        # A client that found no descriptor may have been refused: one that comes now is not.
        self.assertTrue(until(lambda: self.is_served(server)))
        self.assertTrue(server.is_running())

    def is_served(self, server):
        try:
            return peers.ask_tcp(server.port, b"at last") == b"AT LAST"
        except OSError:  # refused for lack of a descriptor
            return False

    def test_none_is_left_after_a_thousand_clients(self):
        server = self.serve("02-tcp-server-concurrent.lua")
        count = lambda: harness.descriptors(server.pid)  # noqa: E731
        before = count()
        for i in range(1000):
            s = peers.tcp(server.port)
            if i % 3 == 0:
                s.sendall(b"x")
            if i % 3 == 1:
                peers.reset(s)
            s.close()
        self.assertEqual(peers.ask_tcp(server.port, b"end"), b"END")
        self.assertTrue(until(lambda: count() == before), (before, count()))

    def test_a_closed_standard_input_is_no_trouble(self):
        for closed in ("0<&-", "0<&- 1>&-", "2>&-"):
            command = f'"$0" -e "$1" {closed}; echo "status $?"'
            code = "local s <close> = require('net').listen('127.0.0.1:0') io.read()"
            result = self.run_program("bash", "-c", command, harness.soquete, code)
            self.assertIn("status 0\n", result.out, (closed, result))


class Privileges(Case):
    def test_a_port_below_1024_gives_a_hint(self):
        self.need_own_figures()
        with open(UNPRIVILEGED_START) as f:
            if int(f.read()) <= 81:
                self.skipTest("this system lets everybody bind port 81")
        options = {}
        program = harness.soquete
        if os.geteuid() == 0:
            # As nobody, who may not be able to reach the build folder.
            program = shutil.copy(harness.soquete, os.path.join(self.folder, "soquete"))
            options = {"user": 65534, "group": 65534, "extra_groups": []}
        code = "assert(require('net').socket():bind('127.0.0.1', 81))"
        result = self.run_program(program, "-e", code, **options)
        self.assertEnds(result, 1, err="bind 127.0.0.1:81: permission denied (EACCES)")
        self.assertIn("hint: ports below 1024", result.err)


class Children(Case):
    def test_end_by_a_closed_pipe_as_usual(self):
        code = "os.execute([[bash -c 'yes | head -n 1; echo ${PIPESTATUS[0]}']])"
        result = self.run_soquete("-e", code)
        self.assertEqual(result.out, f"y\n{128 + signal.SIGPIPE}\n")

    def test_can_be_run_while_tasks_wait(self):
        code = """
        local net = require "net"
        local task = net.spawn(function() net.sleep(0.01) return "slept" end)
        print(io.popen("echo child"):read())
        print(task:join())
        """
        self.assertEnds(self.code(code), 0, out="child\nslept\n")


class ManyClients(Case):
    def test_are_served_at_once(self):
        server = self.serve("02-tcp-server-concurrent.lua")
        clients = [peers.tcp(server.port) for _ in range(200)]
        for i, s in enumerate(clients):
            s.sendall(b"client %d" % i)
        for i, s in enumerate(clients):
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(peers.read_all(s), b"CLIENT %d" % i)
            s.close()
