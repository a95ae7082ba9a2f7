"""What starting costs: counted in modules and system calls, never in time."""

import os
import re

import harness
from harness import ROOT, Case

BEGINNING = ["net.boot"]  # what every script loads


class Loading(Case):
    """Copies of the library's modules that tell when they are loaded come first."""

    def setUp(self):
        super().setUp()
        library = os.path.join(ROOT, "lua")
        for folder, _, names in os.walk(library):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), library)
                module = path[: -len(".lua")].replace("/", ".")
                with open(os.path.join(folder, name)) as f:
                    self.file(f"lua/{path}", f"io.stderr:write('<{module}>') " + f.read())

    def assertLoads(self, code, *modules):
        result = self.code(code)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(re.findall(r"<([\w.]+)>", result.err), [*BEGINNING, *modules], result)

    def test_an_empty_script_loads_the_beginning_only(self):
        self.assertLoads("")

    def test_printing_and_computing_load_nothing(self):
        self.assertLoads("print(#arg, math.sin(1), pcall(error, 'x'), coroutine.running())")

    def test_the_module_net_loads_none_of_its_short_forms(self):
        self.assertLoads("require 'net'.sleep(0)", "net.require", "net")

    def test_a_short_form_loads_what_it_needs_when_it_is_called(self):
        self.assertLoads(
            "require 'net'.listen('127.0.0.1:0'):close()", "net.require", "net", "net.sockets")

    def test_standard_input_is_loaded_when_it_is_first_used(self):
        self.assertLoads("print(io.stdin)")
        self.assertLoads("print(io.read())", "net.stdin", "net.makefile")
        self.assertLoads("print(io.stdin:read())", "net.stdin", "net.makefile")

    def test_a_function_taken_before_its_part_is_loaded_works_for_ever(self):
        code = """
        local need, read, kind = require, io.read, io.type
        assert(need "net" == require "net" and need "net" == package.loaded.net)
        assert(read() == nil and io.read() == nil)
        assert(kind(io.stdin) == "file" and io.type(io.stdin) == "file")
        """
        self.assertEnds(self.code(code), 0)

    def test_what_a_script_puts_in_a_place_stays_there(self):
        code = """
        local read = io.read
        io.read = function() return "the script's own" end
        assert(read() == nil and io.stdin:read() == nil)
        print(io.read())
        """
        self.assertEnds(self.code(code), 0, out="the script's own\n")

    def test_a_global_of_the_script_named_string_is_its_own(self):
        for value in ("nil", "5"):
            code = f"string = {value} local b = require 'net'.buffer(4) b:pack(1, 'B', 65) print(b)"
            self.assertEnds(self.code(code), 0, out="buffer")

    def test_an_error_at_the_first_call_names_the_line_of_the_script(self):
        for call in ("require(1)", "require 'no.such'", "io.stdin.rede()", "net.listen()",
                     "net.channel(-1)", "net.serve('127.0.0.1:0')", "net.udp({})",
                     "net.connect({})", "io.read('q')", "io.stdin:read(-1)", "io.lines('/no')",
                     "io.input('/no')", "dofile('/no')", "os.execute({})", "io.popen({})"):
            result = self.code(f"net = require 'net'\n{call}")
            self.assertEnds(result, 1)
            self.assertRegex(result.err, r"soquete: \S*main\.lua:2: ", call)


class Mathematics(Case):
    """libm is no part of the program before it is needed."""

    LOADED = """
    local function loaded()
      local file <close> = io.open("/proc/self/maps")
      return file:read("a"):find("/libm[.-]") ~= nil
    end
    """

    def assertLoads(self, code):
        result = self.code(self.LOADED + "local before = loaded()\n" + code
                           + "\nprint(before, loaded())")
        self.assertEnds(result, 0)
        if result.out != "true\ttrue\n":  # what is instrumented has it from the start
            self.assertEqual(result.out, "false\ttrue\n", code)

    def test_it_is_loaded_by_the_first_call(self):
        for call in ("math.sin(1)", "math.fmod(7, 2.5)", "2 ^ one", "7.5 % one"):
            self.assertLoads(f"local one = 1.0; assert({call})")

    def test_it_is_there_for_modules_in_c(self):
        self.assertLoads("assert(not package.loadlib('/no/such.so', '*'))")

    def test_descriptors_do_not_load_it(self):
        code = self.LOADED + """
        local net = require "net"
        local before, sockets = loaded(), {}
        for i = 1, 300 do sockets[i] = assert(net.socket()) end
        print(loaded() == before)
        """
        self.assertEqual(self.code(code).out, "true\n")

    def test_it_is_there_when_descriptors_have_run_out(self):
        self.need_own_figures()
        code = """
        local net = require "net"
        local sockets, s, _, code = {}
        repeat
          s, _, code = net.socket()
          sockets[#sockets + 1] = s
        until not s
        print(code, math.sin(0))
        """
        for limit in (16, 64, 256, 1000, 1025):
            result = self.run_program("bash", "-c", f'ulimit -n {limit}; exec "$0" "$1"',
                                      harness.soquete, self.file("main.lua", code))
            self.assertEqual((result.out, result.err), ("EMFILE\t0.0\n", ""), limit)

    def test_its_functions_are_right(self):
        code = """
        local function near(a, b) assert(math.abs(a - b) < 1e-12, a) end
        near(math.sin(math.pi / 6), 0.5)
        near(math.cos(math.pi / 3), 0.5)
        near(math.tan(math.pi / 4), 1)
        near(math.asin(1), math.pi / 2)
        near(math.acos(0), math.pi / 2)
        near(math.atan(1, -1), 3 * math.pi / 4)
        near(math.exp(1), 2.718281828459045)
        near(math.log(math.exp(2)), 2)
        near(math.log(8, 2), 3)
        near(math.log(1000, 10), 3)
        near(math.sqrt(2), 1.4142135623730951)
        near(2.0 ^ 0.5, 1.4142135623730951)
        near(math.fmod(-7, 2.5), -2)
        near(-7 % 2.5, 0.5)
        """
        self.assertEnds(self.code(code), 0)


class Calls(Case):
    """The dynamic loader makes about 40 of them, an empty run the rest."""

    LIMIT = 85

    @harness.counts_calls
    def test_an_empty_script_makes_few_system_calls(self):
        self.need_own_figures()
        self.need_strace()
        log = os.path.join(self.folder, "log")
        argv = self.command("-e", "")
        with open(argv[0], "rb") as f:
            program = f.read()
        if b"__asan_init" in program or b"__gcov_" in program:
            return  # what is instrumented makes calls of its own, and may not be traced
        result = self.run_program("strace", "-f", "-o", log, *argv)
        self.assertEnds(result, 0)
        with open(log) as f:
            calls = [line for line in f if re.search(r"\w\(", line)]
        self.assertLessEqual(len(calls), self.LIMIT, "".join(calls))
        names = re.findall(r"^\d+ +(\w+)\(", "".join(calls), re.M)
        for never in ("socket", "clone3", "clone", "nanosleep"):
            self.assertNotIn(never, names)
