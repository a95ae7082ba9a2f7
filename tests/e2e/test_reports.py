"""What a person reads when a script goes wrong, and the exit status that goes with it."""

import re

from harness import Case


class Errors(Case):
    def test_tells_file_line_and_traceback(self):
        result = self.code("local function f()\n  error('oops')\nend\nf()")
        self.assertEnds(result, 1, err="main.lua:2: oops\n")
        self.assertIn("stack traceback:", result.err)
        self.assertRegex(result.err, r"main\.lua:4: in main chunk")

    def test_a_word_to_the_user_comes_without_a_traceback(self):
        for code in ("error('no sentence came', 0)", "local ok = pcall(f) error('no sentence came', 0)"):
            result = self.code(code)
            self.assertEnds(result, 1)
            self.assertEqual(result.err, "soquete: no sentence came\n")
        for code in ("error('oops')", "local _, err = pcall(error, 'a.lua:1: oops') error(err, 0)"):
            self.assertEnds(self.code(code), 1, err="stack traceback:")

    def test_a_traceback_shows_lines_of_the_script_only(self):
        result = self.code("local function f()\n  os.exit('x')\nend\nf()\nf = nil")
        self.assertEnds(result, 1, err="main.lua:2: bad argument #1 to 'exit'")
        lines = result.err.splitlines()
        self.assertEqual(lines[1], "stack traceback:")
        self.assertTrue(all("main.lua:" in line for line in lines[2:]), result.err)

    def test_at_the_prompt_too(self):
        text = "function f() error('x') end\nf()\nnet.group(function() f() end)\nnet.connect('x')\n"
        result = self.run_soquete(text=text)
        self.assertEnds(result, 0)
        line = r"prompt:1: x\nstack traceback:\n\tprompt:1: in [^\n]*\n"
        self.assertRegex(result.err, f"^{line}prompt:1: x\nprompt:1: bad address 'x'[^\n]*\n$")

    def test_the_prompt_shows_values_by_the_print_of_the_script(self):
        result = self.run_soquete(text="print = function(x) io.write('<', x, '>') end\n1 + 1\n")
        self.assertEnds(result, 0, out="<2>")

    def test_tells_the_hint_of_a_failure(self):
        result = self.code("local net = require 'net'\nassert(net.connect('127.0.0.1:1'))")
        self.assertEnds(result, 1, err="main.lua:2: connect 127.0.0.1:1: connection refused")
        self.assertRegex(result.err, r"\n  hint: nothing listens there")

    def test_tells_the_way_through_the_tasks(self):
        code = """local net = require "net"
        local function broken()
          error("oops")
        end
        local function outer()
          net.spawn(broken):join()
        end
        net.spawn(outer):join()
        """
        result = self.code(code)
        self.assertEnds(result, 1, err="main.lua:3: oops")
        for line in (3, 6, 8):  # where it broke, and who joined it
            self.assertIn(f"main.lua:{line}:", result.err)
        self.assertEqual(len(re.findall(r"spawned at \S*main\.lua:[68]", result.err)), 2)
        self.assertEqual(result.err.count("oops"), 1)

    def test_tells_of_a_task_that_nobody_joins_while_the_others_go_on(self):
        code = """local net = require "net"
        net.spawn(function() error("oops") end)
        net.sleep(0.05)
        print("main goes on")
        net.spawn(function() net.sleep(0.01) print("others too") end)
        """
        result = self.code(code)
        self.assertEnds(result, 1, out="main goes on\nothers too\n", err="oops")
        self.assertRegex(result.err, r"task \d+, spawned at \S*main\.lua:2")

    def test_does_not_tell_of_an_error_that_a_join_hands_on(self):
        code = """local net = require "net"
        local task = net.spawn(function() error("oops", 0) end)
        print(pcall(task.join, task))
        """
        result = self.code(code)
        self.assertEnds(result, 0, out="false\toops\n")
        self.assertEqual(result.err, "")

    def test_an_error_in_the_main_script_cancels_the_tasks(self):
        code = """local net = require "net"
        net.spawn(function()
          local guard <close> = setmetatable({}, {__close = function() print("closed") end})
          net.sleep(60)
        end)
        net.yield()
        error("oops")
        """
        self.assertEnds(self.code(code), 1, out="closed\n", err="oops")

    def test_tells_an_error_that_is_no_string(self):
        for value in ("{}", "nil", "42", "setmetatable({}, {__tostring = error})"):
            result = self.run_soquete("-e", f"error({value})")
            self.assertEnds(result, 1, err="soquete: ")

    def test_names_the_nearest_name_for_a_misspelt_one(self):
        result = self.run_soquete("-e", "require('net').scoket()")
        self.assertEnds(result, 1, err="scoket")
        self.assertIn("socket", result.err.replace("scoket", ""))

    def test_names_the_step_that_had_failed(self):
        code = """local net = require "net"
        local s = net.socket(net.AF_INET, net.SOCK_STREAM)
        s:bind("192.0.2.1", 0)
        s:listen()
        """
        result = self.code(code)
        self.assertEnds(result, 1, err="main.lua:4: ")
        self.assertIn("EADDRNOTAVAIL", result.err)
        self.assertIn("main.lua:3", result.err)

    def test_survives_a_stack_overflow(self):
        result = self.run_soquete("-e", "local function f() return 1 + f() end f()")
        self.assertEnds(result, 1, err="stack overflow")


class Deadlock(Case):
    def test_is_reported_with_every_task_and_ends_with_1(self):
        code = """local net = require "net"
        local first, second
        first = net.spawn(function() net.yield() second:join() end)
        second = net.spawn(function() first:join() end)
        first:join()
        """
        result = self.code(code)
        self.assertEnds(result, 1, err="deadlock")
        self.assertIn("task 1 (main script) waits at ", result.err)
        for line in (3, 4, 5):
            self.assertRegex(result.err, rf"waits at \S*main\.lua:{line} in join")

    def test_is_no_deadlock_while_a_socket_or_a_timer_can_wake_somebody(self):
        code = """local net = require "net"
        net.spawn(function() net.sleep(0.05) print("woken") end):join()
        """
        self.assertEnds(self.code(code), 0, out="woken\n")
