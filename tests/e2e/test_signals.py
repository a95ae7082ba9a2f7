"""SIGINT and SIGTERM: every task unwinds, then the process dies by that signal."""

import os
import signal
import threading
import time

import harness
import peers
from harness import PATIENCE, Case, slow, until

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Signals(Case):
    UNWIND = """
    local net = require "net"
    local function guard(name, seconds)
      return setmetatable({}, {__close = function()
        net.sleep(seconds)
        print("closed " .. name)
      end})
    end
    net.spawn(function()
      local a <close> = guard("task", 0.05)
      net.sleep(60)
      print "never"
    end)
    local server <close> = net.listen("127.0.0.1:0")
    local b <close> = guard("main", 0.01)
    net.yield() -- so that the task has begun
    print("ready")
    server:accept()
    print "never"
    """

    def test_unwind_every_task_and_run_close_variables_that_wait(self):
        for number in SIGNALS:
            program = self.soquete(self.file("main.lua", self.UNWIND))
            program.says("ready\n")
            program.signal(number)
            self.assertEqual(program.ends(), -number)
            self.assertIn("closed task\n", program.out.text())
            self.assertIn("closed main\n", program.out.text())
            self.assertNotIn("never", program.out.text())
            self.assertEqual(program.err.text(), "")

    def test_give_a_shell_130_and_143(self):
        for number in SIGNALS:
            # The shell prints its child's pid, waits for it and prints its status. Without
            # job control it starts it with SIGINT ignored, hence `set -m`.
            command = 'set -m; "$0" -e "$1" & echo "pid $!"; wait $!; echo "status $?"'
            code = "print 'ready' require('net').sleep(60)"
            shell = self.start("bash", "-c", command, harness.soquete, code)
            shell.says("ready\n")
            shell.says("pid ")
            pid = int(shell.out.text().split("pid ")[1].split()[0])
            os.kill(pid, number)
            self.assertEqual(shell.ends(), 0)
            self.assertIn(f"status {128 + number}\n", shell.out.text())

    def test_end_a_busy_loop(self):
        loops = (
            "while true do end",
            "while true do pcall(error, 'x') end",
            "local t = setmetatable({}, {__index = function() end}) while true do t = t, t.x end",
            "local net = require 'net' while true do net.yield() end",
            "local c = coroutine.wrap(function() while true do end end) c()",
            "while true do coroutine.resume(coroutine.create(function() "
            "for i = 1, 1e5 do end end)) end",
        )
        for loop in loops:
            program = self.soquete("-e", "print 'ready' " + loop)
            program.says("ready\n")
            program.signal(signal.SIGINT)
            self.assertEqual(program.ends(), -signal.SIGINT, loop)

    def test_cannot_be_swallowed_by_pcall(self):
        code = """
        local net = require "net"
        print "ready"
        for i = 1, 1000 do pcall(net.sleep, 60) end
        while true do pcall(net.sleep, 60) end
        """
        program = self.soquete(self.file("main.lua", code))
        program.says("ready\n")
        program.signal(signal.SIGINT)
        self.assertEqual(program.ends(), -signal.SIGINT)

    @slow
    def test_give_close_variables_one_second(self):
        code = """
        local net = require "net"
        local slow <close> = setmetatable({}, {__close = function()
          print "closing"
          net.sleep(60)
        end})
        print "ready"
        net.sleep(60)
        """
        program = self.soquete(self.file("main.lua", code))
        program.says("ready\n")
        begin = time.monotonic()
        program.signal(signal.SIGTERM)
        self.assertEqual(program.ends(), -signal.SIGTERM)
        self.assertIn("closing\n", program.out.text())
        self.assertLess(time.monotonic() - begin, 10)
        self.assertGreater(time.monotonic() - begin, 0.9)

    def test_end_at_once_when_they_come_twice(self):
        code = """
        local function forever() print "closing" while true do end end
        local stubborn <close> = setmetatable({}, {__close = forever})
        print "ready"
        require("net").sleep(60)
        """
        for first in SIGNALS:
            for second in SIGNALS:
                program = self.soquete(self.file("main.lua", code))
                program.says("ready\n")
                program.signal(first)
                program.says("closing\n")
                program.signal(second)
                self.assertEqual(program.ends(), -second)

    def test_end_the_servers(self):
        for script in ("01-udp-server.lua", "02-tcp-server.lua", "06-line-server.lua"):
            for number in SIGNALS:
                server = self.serve(script)
                server.signal(number)
                self.assertEqual(server.ends(), -number)
                self.assertEqual(server.err.text(), "", script)

    def test_end_servers_that_are_in_a_conversation(self):
        servers = ("02-tcp-server.lua", "02-tcp-server-concurrent.lua", "06-line-server.lua")
        for script in servers:
            server = self.serve(script)
            with peers.tcp(server.port) as s:
                s.sendall(b"hello\n")
                self.assertEqual(s.recv(6), b"HELLO\n")
                server.signal(signal.SIGINT)
                self.assertEqual(server.ends(), -signal.SIGINT)
                self.assertEqual(server.err.text(), "", script)

    def test_end_a_client_that_waits_for_its_server(self):
        asked, done = threading.Event(), threading.Event()

        def stay_silent(listener):
            conn, _ = listener.accept()
            with conn:
                peers.read_all(conn)
                asked.set()
                done.wait(PATIENCE)

        server = peers.Server(self, stay_silent)
        client = self.soquete("02-tcp-client.lua", "127.0.0.1", server.port)
        client.type("hello\n")
        client.end_input()
        self.assertTrue(asked.wait(PATIENCE))
        client.signal(signal.SIGINT)
        self.assertEqual(client.ends(), -signal.SIGINT)
        done.set()

    def test_free_the_port_for_the_next_server_at_once(self):
        server = self.serve("02-tcp-server-concurrent.lua")
        with peers.tcp(server.port) as s:
            s.sendall(b"hello")
            self.assertEqual(s.recv(5), b"HELLO")
            server.signal(signal.SIGTERM)
            self.assertEqual(server.ends(), -signal.SIGTERM)
            again = self.listening(self.soquete("02-tcp-server.lua", server.port, "127.0.0.1"))
            self.assertEqual(peers.ask_tcp(again.port, b"again"), b"AGAIN")

    def test_do_no_harm_while_the_program_ends(self):
        for _ in range(20):
            program = self.soquete("-e", "print 'bye'")
            program.says("bye\n")
            program.signal(signal.SIGTERM)
            self.assertIn(program.ends(), (0, -signal.SIGTERM))

    def test_leave_a_stopped_program_able_to_go_on(self):
        server = self.serve("02-tcp-server-concurrent.lua")
        server.signal(signal.SIGSTOP)
        self.assertTrue(until(lambda: peers.state_of(server.pid) == "T"))
        server.signal(signal.SIGCONT)
        self.assertEqual(peers.ask_tcp(server.port, b"back"), b"BACK")


class Quit(Case):
    CODE = """
    local net = require "net"
    local function wait(server) server:accept() end
    local server <close> = net.listen("127.0.0.1:0")
    net.spawn(wait, server)
    net.yield()
    print("ready")
    net.sleep(60)
    """

    def test_reports_every_task_and_goes_on(self):
        program = self.soquete(self.file("main.lua", self.CODE))
        program.says("ready\n")
        for _ in range(2):
            before = program.err.text()
            program.signal(signal.SIGQUIT)
            program.err.wait(lambda all: all.count("task 2 ") > before.count("task 2 "))
        report = program.err.text()
        self.assertEqual(report.count("soquete: tasks\n"), 2, report)
        self.assertRegex(report, r"task 1 \(main script\) waits at \S*main\.lua:8 in sleep since ")
        self.assertRegex(
            report,
            r"task 2 \(spawned at \S*main\.lua:5\) waits at \S*main\.lua:3 in accept 127\.0\.0\.1:",
        )
        self.assertTrue(program.is_running())

    def test_reports_a_task_that_computes(self):
        program = self.soquete("-e", "print 'ready' while true do end")
        program.says("ready\n")
        program.signal(signal.SIGQUIT)
        program.complains("task 1 (main script) runs\n")


class Watchdog(Case):
    def on(self):
        return {**os.environ, "SOQUETE_WATCHDOG": "on"}

    def test_names_a_task_that_computes_once(self):
        code = """
        local begin = os.clock()
        while os.clock() - begin < 0.8 do end
        """
        result = self.code(code, env=self.on())
        self.assertEqual(result.status, 0, result)
        self.assertEqual(result.err.count("computes at"), 1, result)
        self.assertRegex(result.err, r"^soquete: task 1, \S.* computes at \S*main\.lua:3 for ")

    def test_does_not_name_tasks_that_wait_often(self):
        code = """
        local net = require "net"
        local begin = os.clock()
        while os.clock() - begin < 0.8 do net.yield() end
        """
        result = self.code(code, env=self.on())
        self.assertEqual((result.status, result.err), (0, ""), result)


class OnSignal(Case):
    CODE = """
    local net = require "net"
    local names = net.channel()
    net.on_signal("SIGUSR1", function(name)
      net.sleep(0.001)
      names:put(name)
    end)
    print("ready")
    for i = 1, 2 do print(names:get() .. " " .. i) end
    net.on_signal("SIGUSR1", nil)
    print("given back")
    net.sleep(60)
    """

    def test_runs_its_function_as_a_task_until_it_is_taken_back(self):
        program = self.soquete(self.file("main.lua", self.CODE))
        program.says("ready\n")
        program.signal(signal.SIGUSR1)
        program.says("SIGUSR1 1\n")
        program.signal(signal.SIGUSR1)
        program.says("SIGUSR1 2\ngiven back\n")
        program.signal(signal.SIGUSR1)
        self.assertEqual(program.ends(), -signal.SIGUSR1)

    def test_may_replace_the_end_by_sigint(self):
        code = """
        local net = require "net"
        net.on_signal("SIGINT", function() print "asked" os.exit(7) end)
        print("ready")
        net.sleep(60)
        """
        program = self.soquete(self.file("main.lua", code))
        program.says("ready\n")
        program.signal(signal.SIGINT)
        self.assertEqual(program.ends(), 7)
        self.assertEqual(program.out.text(), "ready\nasked\n")


class Pipes(Case):
    def test_a_peer_that_went_away_is_an_error_value_and_no_signal(self):
        code = """
        local net = require "net"
        local server <close> = net.listen("127.0.0.1:0")
        local client = net.connect(server:getsockname())
        local conn <close> = server:accept()
        client:close()
        local sent, err, code
        repeat sent, err, code = conn:send(("x"):rep(65536)) until not sent
        print(code)
        """
        result = self.code(code)
        self.assertEqual(result.status, 0, result)
        self.assertIn(result.out, ("EPIPE\n", "ECONNRESET\n"))

    def test_children_start_with_the_default_of_sigpipe(self):
        code = "os.execute('grep -E \"Sig(Ign|Cgt|Blk)\" /proc/self/status')"
        result = self.run_soquete("-e", code)
        self.assertEqual(result.status, 0, result)
        sets = dict(line.split(":") for line in result.out.splitlines())
        for name in ("SigIgn", "SigBlk"):
            self.assertFalse(int(sets[name], 16) & 1 << (signal.SIGPIPE - 1), result.out)
