"""The command line: what runs, with which arguments, to which exit status."""

import os
import re

import harness
from harness import ROOT, Case


class CommandLine(Case):
    def test_runs_a_file_with_arguments(self):
        result = self.code("print(#arg, arg[1], arg[2], ...)", "one", "two words")
        self.assertEnds(result, 0, out="2\tone\ttwo words\tone\ttwo words\n")

    def test_sets_arg_as_lua_does(self):
        path = self.file("main.lua", "print(arg[-1], arg[0], arg[1], arg[2])")
        result = self.run_soquete(path, "--trace")
        program, rest = result.out.split("\t", 1)
        self.assertEqual(os.path.basename(program), os.path.basename(harness.soquete))
        self.assertEqual(rest, f"{path}\t--trace\tnil\n")

    def test_counts_options_before_the_script_as_negative(self):
        path = self.file("main.lua", "print(arg[-2], arg[-1], arg[0])")
        result = self.run_soquete("--trace", path)
        program, rest = result.out.split("\t", 1)  # which a wrapper may have started
        self.assertEqual(os.path.basename(program), os.path.basename(harness.soquete))
        self.assertEqual(rest, f"--trace\t{path}\n")

    def test_runs_code_with_arguments(self):
        result = self.run_soquete("-e", "print(arg[1], ...)", "a")
        self.assertEnds(result, 0, out="a\ta\n")

    def test_runs_standard_input(self):
        result = self.run_soquete("-", "a", text="print('from stdin', arg[0], ...)")
        self.assertEnds(result, 0, out="from stdin\t-\ta\n")

    def test_runs_a_script_by_its_shebang_line(self):
        bin_folder = os.path.join(self.folder, "bin")
        os.makedirs(bin_folder)
        os.symlink(harness.soquete, os.path.join(bin_folder, "soquete"))
        path = self.file("hello", "#!/usr/bin/env soquete\nprint('hello', ...)", 0o755)
        env = dict(os.environ, PATH=bin_folder + ":" + os.environ["PATH"])
        self.assertEnds(self.run_program(path, "you", env=env), 0, out="hello\tyou\n")

    def test_finds_nothing_where_there_is_no_file(self):
        result = self.run_soquete("no-such-file.lua")
        self.assertEnds(result, 1, err="no-such-file.lua")

    def test_reports_a_syntax_error_with_its_line(self):
        self.assertEnds(self.code("print('a')\nif then"), 1, err="main.lua:2: ")

    def test_ends_with_the_status_that_the_script_names(self):
        for call, status in (("os.exit(7)", 7), ("os.exit(true)", 0), ("os.exit(false)", 1)):
            self.assertEnds(self.code(call), status)
        self.assertEnds(self.code("return 5"), 0)

    def test_explains_itself(self):
        for words in (["--help"], ["-h"], ["help"]):
            result = self.run_soquete(*words)
            self.assertEnds(result, 0, out="usage: soquete ")
            for form in ("FILE.lua", "-e CODE", "--trace", "help FILE.lua", "SOQUETE_PATH"):
                self.assertIn(form, result.out)

    def test_tells_its_version(self):
        result = self.run_soquete("--version")
        self.assertEnds(result, 0)
        self.assertRegex(result.out, r"^soquete \d+\.\d+\.\d+ \(Lua 5\.4\.\d+\)\n"
                         r"backend: (epoll|uring); io_uring is (there|not to be had: )")

    def test_a_backend_can_be_chosen(self):
        result = self.run_soquete("--backend", "epoll", "-e", "print(1)")
        self.assertEnds(result, 0, "1\n")
        result = self.run_soquete("--backend", "kqueue", "-e", "print(1)")
        self.assertEnds(result, 2, err="there is no backend 'kqueue', but auto, epoll and uring")
        self.assertEnds(self.run_soquete("--backend"), 2, err="--backend needs a name after it")

    def test_ends_with_2_after_a_usage_error(self):
        for words, complaint in (
            (["--frobnicate"], "--frobnicate"),
            (["-x"], "-x"),
            (["-e"], "-e needs code"),
            (["help", "a.lua", "b.lua"], "b.lua"),
        ):
            result = self.run_soquete(*words)
            self.assertEnds(result, 2, err=complaint)
            self.assertEqual(result.err.splitlines()[1:], ["`soquete --help` lists what there is"])
            self.assertEqual(result.out, "")


class HelpOfAFile(Case):
    def test_prints_the_opening_comment(self):
        text = "#!/usr/bin/env soquete\n-- What it does.\n--\n--   indented\n\n-- Not this.\n"
        result = self.run_soquete("help", self.file("a.lua", text))
        self.assertEnds(result, 0)
        self.assertEqual(result.out, "What it does.\n\n  indented\n")

    def test_prints_a_long_comment(self):
        for text, shown in (
            ("--[[\nWhat it does.\n\n  indented\n]]\n-- Not this.\n", "What it does.\n\n  indented\n"),
            ("--[[ In one line. ]]\n-- Not this.\n", " In one line. \n"),
            ("--[[ No end.\nSo all of it.\n", " No end.\nSo all of it.\n"),
        ):
            result = self.run_soquete("help", self.file("a.lua", text))
            self.assertEnds(result, 0)
            self.assertEqual(result.out, shown)

    def test_says_that_there_is_none(self):
        result = self.run_soquete("help", self.file("a.lua", "print(1)\n-- late\n"))
        self.assertEnds(result, 1, err="no opening comment")
        self.assertEnds(self.run_soquete("help", "none.lua"), 1, err="none.lua")
        self.assertEnds(self.run_soquete("help", self.folder), 1, err="is a folder")


class Prompt(Case):
    def test_runs_lines_and_prints_values(self):
        result = self.run_soquete(text="1 + 1\nx = 'a'\nx .. 'b', nil\nnet.AF_INET\n")
        self.assertEnds(result, 0, out="2\n")
        for line in ("ab\tnil", "2"):
            self.assertIn(line, result.out)

    def test_lets_a_statement_go_on_in_the_next_line(self):
        result = self.run_soquete(text="for i = 1, 2 do\nprint('i', i)\nend\n")
        self.assertEnds(result, 0, out="i\t1\n")
        self.assertIn(">> ", result.out)

    def test_tells_an_error_with_its_hint_and_goes_on(self):
        result = self.run_soquete(text="error('oops')\nassert(net.connect('127.0.0.1:1'))\n'on'\n")
        self.assertEnds(result, 0, out="on\n", err="oops")
        self.assertIn("hint: nothing listens there", result.err)

    def test_runs_tasks_while_it_waits_for_a_line(self):
        prompt = self.soquete()
        prompt.type("net.spawn(function() print('task', 'runs') end)\n")
        prompt.says("task\truns\n")
        prompt.end_input()
        self.assertEqual(prompt.ends(), 0)


class Trace(Case):
    LINE = re.compile(
        r"^ *(?P<time>\d+\.\d{6})  (?P<place>task \d+  \S+:\d+|-) +(?P<op>\w+)"
        r"(?: #(?P<handle>\d+))?(?: (?P<address>\S*?))?: (?P<result>.*)$"
    )

    def trace(self, code):
        result = self.run_soquete("--trace", self.file("main.lua", code))
        self.assertEnds(result, 0)
        lines = [self.LINE.match(line) for line in result.err.splitlines()]
        self.assertTrue(all(lines), result.err)
        return lines

    CONVERSATION = """
    local net = require "net"
    local server <close> = net.listen("127.0.0.1:0")
    local client <close> = net.connect(server:getsockname())
    local conn <close> = server:accept()
    client:send("hello\\n\\1" .. ("x"):rep(100))
    conn:recv(1000)
    client:shutdown()
    conn:recv(1000)
    """

    def test_prints_one_line_for_each_operation(self):
        lines = self.trace(self.CONVERSATION)
        done = [line["op"] for line in lines if line["result"] != "would block"]
        for op in ("socket", "bind", "listen", "connect", "accept", "send", "recv", "shutdown"):
            self.assertIn(op, done)
        self.assertEqual(done.count("close"), 3)

    def test_tells_the_time_the_line_and_the_address(self):
        lines = self.trace(self.CONVERSATION)
        times = [float(line["time"]) for line in lines]
        self.assertEqual(times, sorted(times))
        send = next(line for line in lines if line["op"] == "send")
        self.assertRegex(send["place"], r"^task 1  \S*main\.lua:6$")
        self.assertRegex(send["address"], r"^127\.0\.0\.1:\d+$")

    def test_names_no_place_for_what_is_closed_after_the_last_task(self):
        lines = self.trace("Kept = require('net').socket()")
        self.assertRegex(lines[0]["place"], r"^task 1  \S*main\.lua:1$")
        self.assertEqual((lines[-1]["op"], lines[-1]["place"]), ("close", "-"))

    def test_shows_the_first_bytes_escaped(self):
        lines = self.trace(self.CONVERSATION)
        for op in ("send", "recv"):
            results = [line["result"] for line in lines if line["op"] == op]
            result = next(r for r in results if r != "would block")
            self.assertEqual(result, '107 bytes "hello\\n\\x01' + "x" * 25 + '"…')

    def test_shows_the_error(self):
        lines = self.trace("require('net').connect('127.0.0.1:1')")
        self.assertEqual([x["result"] for x in lines if x["op"] == "connect"][-1], "ECONNREFUSED")

    def test_goes_to_standard_error_only(self):
        code = "print(require('net').connect('127.0.0.1:1'))"
        plain = self.run_soquete("-e", code)
        traced = self.run_soquete("--trace", "-e", code)
        self.assertEqual((plain.out, plain.err), (traced.out, ""))
        self.assertIn("ECONNREFUSED", traced.err)


class CourseScripts(Case):
    def scripts(self):
        folder = os.path.join(ROOT, "scripts")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]

    def test_are_short_runnable_and_explain_themselves(self):
        self.assertGreaterEqual(len(self.scripts()), 8)
        for path in self.scripts():
            with self.subTest(os.path.basename(path)):
                with open(path) as f:
                    lines = f.read().splitlines()
                self.assertLessEqual(len(lines), 70)
                self.assertLessEqual(max(len(line) for line in lines), 90)
                self.assertEqual(lines[0], "#!/usr/bin/env soquete")
                self.assertTrue(lines[1].startswith("-- "), lines[1])
                self.assertTrue(os.access(path, os.X_OK))

    def test_have_their_usage_in_the_help(self):
        for path in self.scripts():
            with self.subTest(os.path.basename(path)):
                result = self.run_soquete("help", path)
                self.assertEnds(result, 0, out=f"  {os.path.basename(path)} ")
                self.assertIn("Try: ", result.out)
                self.assertNotIn("--   ", result.out)
