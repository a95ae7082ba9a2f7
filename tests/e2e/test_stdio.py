"""Standard input and output: pipes, files and terminals."""

import os
import pty
import signal
import subprocess
import termios
import time

import harness
from harness import Case, Stream


class Terminal:
    """A pseudo-terminal: the program has one end, the test types at the other."""

    def __init__(self, case, *args, flushes=False, under=(), typed=""):
        """At Ctrl-C a terminal drops what was typed, and also what is written just then: only
        one that `flushes` does. The program runs `under` another one's command, and finds
        what was `typed` before it began."""
        case.need("setsid")
        try:
            self.ours, theirs = pty.openpty()
        except OSError as error:
            case.skipTest(f"there are no pseudo-terminals here: {error}")
        if not flushes:
            modes = termios.tcgetattr(theirs)
            modes[3] |= termios.NOFLSH
            termios.tcsetattr(theirs, termios.TCSANOW, modes)
        self.type(typed)
        args = case.command(*args)
        self.program = case.start(  # --ctty: so that Ctrl-C makes a signal
            "setsid", "--ctty", *under, *args, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.screen = Stream(self.ours)
        self.case = case
        case.addCleanup(self.close)

    def close(self):
        """Its number may be the next terminal's, so nobody must read there any more."""
        self.program.kill()
        self.screen.thread.join(harness.PATIENCE)
        os.close(self.ours)

    def type(self, text):
        os.write(self.ours, text.encode())

    def ends_input(self, status=0):
        """By Ctrl-D, at which the program ends."""
        self.type("\4")
        self.case.assertEqual(self.program.ends(), status)

    def shows(self, text):
        if self.screen.wait(lambda all: text in all) is None:
            ended = self.program.process.poll()
            self.case.fail(f"no {text!r} on the screen: {self.screen.text()!r}; ended: {ended}")


class Output(Case):
    def test_shows_each_line_at_once_in_a_pipe(self):
        program = self.soquete("-e", "print('first') require('net').sleep(60)")
        program.says("first\n")
        self.assertTrue(program.is_running())

    def test_shows_a_line_before_a_busy_loop(self):
        program = self.soquete("-e", "print('first') while true do end")
        program.says("first\n")

    def test_shows_a_prompt_before_waiting(self):
        for wait in ("io.read()", "require('net').sleep(60)"):
            program = self.soquete("-e", f"io.write('your name? ') {wait}")
            program.says("your name? ")
            self.assertTrue(program.is_running())

    def test_ends_quietly_when_nobody_reads_any_more(self):
        code = "for i = 1, 1e7 do print('line', i) end"
        command = '"$0" -e "$1" | head -n 1; echo "status ${PIPESTATUS[0]}"'
        result = self.run_program("bash", "-c", command, harness.soquete, code)
        self.assertEqual(result.out, f"line\t1\nstatus {128 + signal.SIGPIPE}\n")
        self.assertEqual(result.err, "")

    def test_says_that_standard_output_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            program = self.soquete("-e", "io.write('x')", stdout=full)
            self.assertEqual(program.ends(), 1)
        self.assertIn("standard output", program.err.text())

    def test_says_that_a_closed_standard_output_cannot_be_written(self):
        self.need_own_figures()
        told = "soquete: standard output cannot be written\n"
        for words, status, err in (
            ("-e 'print(1)'", 1, told), ("--version", 1, told), ("--help", 1, told), ("-e ''", 0, ""),
        ):
            command = f'"$0" {words} >&-'
            result = self.run_program("bash", "-c", command, harness.soquete)
            self.assertEqual((result.status, result.err), (status, err), words)

    def test_leaves_to_a_child_what_was_not_asked_for(self):
        code = """
        local s = require "net".fdopen(0)
        for _ = 1, 3 do assert(#s:recv(4096) == 4096) end
        os.execute("wc -c")
        """
        command = 'head -c 20000 /dev/zero | "$0" "$1"'
        result = self.run_program("bash", "-c", command, harness.soquete,
                                  self.file("main.lua", code))
        self.assertEqual(result.out.strip(), str(20000 - 3 * 4096), result.err)

    def test_flushes_before_a_child_writes(self):
        result = self.run_soquete("-e", "io.write('one ') io.stdout:flush() os.execute('echo two')")
        self.assertEnds(result, 0, out="one two\n")


class Input(Case):
    TICKING = """
    local net = require "net"
    net.spawn(function() for i = 1, 3 do net.sleep(0.01) print("tick", i) end end)
    print("read", io.read())
    """

    def test_reading_a_pipe_does_not_stop_the_other_tasks(self):
        program = self.soquete(self.file("main.lua", self.TICKING))
        program.says("tick\t3\n")
        program.type("typed\n")
        program.says("read\ttyped\n")
        self.assertEqual(program.ends(), 0)

    def test_reading_a_terminal_does_not_stop_the_other_tasks(self):
        terminal = Terminal(self, self.file("main.lua", self.TICKING))
        terminal.shows("tick\t3")
        terminal.type("typed\n")
        terminal.shows("read\ttyped")
        self.assertEqual(terminal.program.ends(), 0)

    def test_reads_lines_numbers_and_bytes(self):
        code = "print(io.read('n', 'l', 3, 'L', 'a')) print(io.read(), io.read(0), io.read('a'))"
        result = self.run_soquete("-e", code, text="12 rest\nabcd\nmore\nend")
        self.assertEqual(result.out, "12\t rest\tabc\td\n\tmore\nend\nnil\tnil\t\n")

    def test_reads_a_file(self):
        path = self.file("input", "a\nb\nc")
        with open(path) as f:
            code = "for line in io.lines() do print('<' .. line .. '>') end"
            result = self.run_soquete("-e", code, stdin=f)
        self.assertEqual(result.out, "<a>\n<b>\n<c>\n")

    def test_reads_no_input(self):
        result = self.run_soquete("-e", "print(io.read())", stdin=subprocess.DEVNULL)
        self.assertEnds(result, 0, out="nil\n")

    def test_never_makes_an_inherited_descriptor_nonblocking(self):
        code = "print(io.read()) print(io.open('/proc/self/fdinfo/0'):read('a'))"
        result = self.run_soquete("-e", code, text="x\n")
        flags = int(result.out.split("flags:")[1].split()[0], 8)
        self.assertFalse(flags & os.O_NONBLOCK)

    def test_reads_beside_a_conversation(self):
        code = """
        local net = require "net"
        local server <close> = net.listen("127.0.0.1:0")
        local echo = net.spawn(function()
          local conn <close> = server:accept()
          for piece in conn:pieces() do conn:send(piece) end
        end)
        local client <close> = net.connect(server:getsockname())
        for line in io.lines() do
          client:send(line .. "\\n")
          print("echo", client:read())
        end
        client:shutdown()
        echo:join()
        """
        program = self.soquete(self.file("main.lua", code))
        for word in ("one", "two"):
            program.type(word + "\n")
            program.says(f"echo\t{word}\n")
        program.end_input()
        self.assertEqual(program.ends(), 0)


class AtATerminal(Case):
    def test_a_client_prompts_and_prints_the_reply(self):
        server = self.serve("02-tcp-server.lua")
        terminal = Terminal(self, "02-tcp-client.lua", "127.0.0.1", server.port)
        terminal.shows("Input lowercase sentence: ")
        terminal.type("ação\n")
        terminal.shows("From Server: AÇÃO")
        self.assertEqual(terminal.program.ends(), 0)

    def test_a_client_is_told_the_end_of_input(self):
        server = self.serve("02-tcp-server.lua")
        terminal = Terminal(self, "02-tcp-client.lua", "127.0.0.1", server.port)
        terminal.shows("Input lowercase sentence: ")
        terminal.ends_input(1)
        terminal.shows("the input ended before a sentence")

    def test_control_c_unwinds_a_reader(self):
        code = """
        local guard <close> = setmetatable({}, {__close = function() print("closed") end})
        io.write("name? ")
        io.read()
        """
        terminal = Terminal(self, self.file("main.lua", code))
        terminal.shows("name? ")
        terminal.type("\3")
        self.assertEqual(terminal.program.ends(), -signal.SIGINT)
        terminal.shows("closed")

    def test_control_backslash_tells_who_reads(self):
        terminal = Terminal(self, self.file("main.lua", "io.write('name? ') io.read()"))
        terminal.shows("name? ")
        terminal.type("\x1c")
        terminal.shows("read standard input")

    def test_a_child_reads_after_us_and_sleeps(self):
        """Its descriptor is the terminal's as before: not ours, and not O_NONBLOCK."""
        code = "print('got', io.read()) os.execute('head -n 1 | tr a-z A-Z')"
        terminal = Terminal(self, self.file("main.lua", code))
        terminal.type("one\n")
        terminal.shows("got\tone")
        terminal.type("two\n")
        terminal.shows("TWO")
        self.assertEqual(terminal.program.ends(), 0)

    def test_control_c_drops_what_was_about_to_be_read(self):
        """The terminal forgets a line between the poll that finds it and the read."""
        self.need_strace()
        slow = ("strace", "-qq", "-o", "/dev/null", "-e", "inject=poll:delay_exit=500000")
        terminal = Terminal(self, self.file("main.lua", "print('ready') io.read()"),
                            flushes=True, under=slow, typed="a line\n")
        terminal.shows("ready")
        time.sleep(0.2)  # the poll has found the line, and is held for half a second
        terminal.type("\3")
        self.assertEqual(terminal.program.ends(), -signal.SIGINT)


class Prompt(Case):
    """Ctrl-C at the prompt of a terminal ends a statement, and nothing else."""

    def interrupt(self, terminal):
        told = terminal.screen.text().count("interrupted")
        terminal.type("\3")
        again = terminal.screen.wait(lambda all: all.count("interrupted") > told)
        self.assertTrue(again, terminal.screen.text())

    def test_control_c_ends_the_statement_that_waits_or_computes(self):
        spin = "while true do end"
        inside = f"coroutine.wrap(function() {spin} end)()"
        terminal = Terminal(self)
        terminal.type("kept = 'kept'; s = net.udp('127.0.0.1:0')\n")
        for count, statement in enumerate((
            "s:recvfrom()",
            "io.read()",
            spin,
            "while true do pcall(net.sleep, 60) end",
            f"while true do pcall(function() {spin} end) end",
            f"while true do {inside} end",
            f"while true do pcall(function() {inside} end) end",
        )):
            terminal.type(f"print('go', {count}) {statement}\n")
            terminal.shows(f"go\t{count}")
            self.interrupt(terminal)
            terminal.type(f"kept .. {count}\n")
            terminal.shows(f"kept{count}")
        terminal.ends_input()

    def test_control_c_forgets_what_was_typed(self):
        terminal = Terminal(self, flushes=True)
        terminal.shows("> ")
        for count, typed in enumerate(("", "error('half a line", "while true do\n")):
            terminal.type(typed)
            self.interrupt(terminal)
            terminal.type(f"7 * 11 + {count}\n")
            terminal.shows(str(77 + count))
        terminal.ends_input()

    def test_control_c_ends_what_goes_on_when_the_prompt_has_ended(self):
        terminal = Terminal(self)
        terminal.type("net.spawn(function() net.sleep(0.2) print('still', 1) net.sleep(60) end)\n")
        terminal.type("\4")
        terminal.shows("still\t1")
        terminal.type("\3")
        self.assertEqual(terminal.program.ends(), -signal.SIGINT)

    def test_control_c_leaves_the_other_tasks_alone(self):
        terminal = Terminal(self)
        terminal.type("s = net.udp('127.0.0.1:0')\n")
        terminal.type("t = net.spawn(function() print('got', (s:recvfrom())) end)\n")
        terminal.type("print('go', 1) net.sleep(60)\n")
        terminal.shows("go\t1")
        self.interrupt(terminal)
        terminal.type("s:sendto('this', s:getsockname())\n")
        terminal.shows("got\tthis")
        terminal.ends_input()

    def test_control_c_again_ends_the_program_where_another_task_computes(self):
        terminal = Terminal(self)
        terminal.type("net.spawn(function() print('go', 1) while true do end end)\n")
        terminal.shows("go\t1")
        harness.until(lambda: terminal.type("\3") or not terminal.program.is_running())
        self.assertEqual(terminal.program.ends(), -signal.SIGINT)

    def test_a_deadlock_ends_the_statement(self):
        terminal = Terminal(self)
        terminal.type("kept = 'kept'; net.channel():get()\n")
        terminal.shows("deadlock: ")
        terminal.type("kept .. 1\n")
        terminal.shows("kept1")
        terminal.ends_input(1)

    def test_what_cannot_be_printed_ends_the_statement(self):
        terminal = Terminal(self)
        terminal.type("setmetatable({}, {__tostring = function() error('odd') end})\n")
        terminal.shows("odd")
        terminal.type("20 + 22\n")
        terminal.shows("42")
        terminal.ends_input()

    def test_sigterm_ends_it(self):
        terminal = Terminal(self)
        terminal.shows("> ")
        terminal.program.process.send_signal(signal.SIGTERM)
        self.assertEqual(terminal.program.ends(), -signal.SIGTERM)

    def test_sigint_ends_it_where_nobody_types(self):
        prompt = self.soquete()
        prompt.says("> ")
        prompt.process.send_signal(signal.SIGINT)
        self.assertEqual(prompt.ends(), -signal.SIGINT)
