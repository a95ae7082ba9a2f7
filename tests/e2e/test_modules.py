"""Modules: the embedded library, what overrides it, C modules, and no bytecode."""

import os

from harness import ROOT, Case


class Overrides(Case):
    def changed_net(self):
        with open(os.path.join(ROOT, "lua", "net.lua")) as f:
            text = f.read()
        last = "return core.strict(net, \"net\")"
        self.assertIn(last, text)
        return text.replace(last, "net.changed = 'by the instructor'\n" + last)

    def test_the_library_is_in_the_program(self):
        path = self.file("main.lua", "print(require('net').listen, package.loaded.net ~= nil)")
        result = self.run_soquete(path, cwd="/")
        self.assertEnds(result, 0, out="function")

    def test_a_folder_lua_beside_the_script_comes_first(self):
        self.file("lab/lua/net.lua", self.changed_net())
        path = self.file("lab/main.lua", "print(require('net').changed)")
        self.assertEnds(self.run_soquete(path), 0, out="by the instructor\n")

    def test_the_folder_of_soquete_path_comes_first(self):
        self.file("library/net.lua", self.changed_net())
        env = dict(os.environ, SOQUETE_PATH=os.path.join(self.folder, "library"))
        code = "print(require('net').changed)"
        self.assertEnds(self.run_soquete("-e", code, env=env), 0, out="by the instructor\n")

    def test_a_copy_of_a_part_of_the_library_works_as_the_part(self):
        with open(os.path.join(ROOT, "lua", "net", "channel.lua")) as f:
            self.file("library/net/channel.lua", f.read())
        env = dict(os.environ, SOQUETE_PATH=os.path.join(self.folder, "library"))
        code = "local net = require 'net'; setmetatable = 'astray'; print(pcall(net.channel, 1))"
        self.assertEnds(self.run_soquete("-e", code, env=env), 0, out="true\tchannel")

    def test_a_new_module_stands_beside_the_script(self):
        self.file("lab/helper.lua", "return {answer = 42}")
        self.file("lab/sub/init.lua", "return 'init'")
        path = self.file("lab/main.lua", "print(require('helper').answer, (require 'sub'))")
        self.assertEnds(self.run_soquete(path, cwd="/"), 0, out="42\tinit\n")

    def test_a_module_may_wait_while_it_loads(self):
        self.file("waits.lua", "require('net').sleep(0.01) return 'waited'")
        code = """
        local net = require "net"
        local a = net.spawn(require, "waits")
        local b = net.spawn(require, "waits")
        print(a:join(), (b:join()))
        """
        result = self.code(code)
        self.assertEnds(result, 0)
        self.assertEqual(result.out.split().count("waited"), 2)

    def test_a_missing_module_is_reported_with_the_places(self):
        result = self.code("require 'no.such.module'")
        self.assertEnds(result, 1, err="module 'no.such.module' not found")
        self.assertIn("no embedded module", result.err)

    def test_an_error_in_a_module_names_its_line(self):
        self.file("bad.lua", "\nerror('oops')")
        self.assertEnds(self.code("require 'bad'"), 1, err="bad.lua:2: oops")
        self.file("worse.lua", "\nif then")
        self.assertEnds(self.code("require 'worse'"), 1, err="worse.lua:2: ")


class CModules(Case):
    def test_load_from_the_distribution(self):
        """lua-filesystem and lua-lpeg: C modules that were compiled for Debian's Lua."""
        uses = {
            "lfs": ("lfs.attributes('/').mode", "directory\n"),
            "lpeg": ("lpeg.match(lpeg.P'a', 'a')", "2\n"),
        }
        loaded = 0
        for name, (use, value) in uses.items():
            result = self.run_soquete("-e", f"local {name} = require '{name}' print({use})")
            if f"module '{name}' not found" in result.err:
                continue
            self.assertEnds(result, 0, out=value)
            loaded += 1
        if not loaded:
            self.skipTest("neither lua-filesystem nor lua-lpeg is installed")


class Bytecode(Case):
    def setUp(self):
        super().setUp()
        path = os.path.join(self.folder, "code.luac")
        code = "local f = io.open(..., 'wb') f:write(string.dump(function() print 'ran' end))"
        self.assertEnds(self.run_soquete("-e", code, path), 0)
        self.path = path

    def assertRefused(self, result):
        self.assertNotIn("ran", result.out)
        self.assertIn("binary chunk", result.out + result.err)

    def test_is_refused_as_a_script(self):
        result = self.run_soquete(self.path)
        self.assertEnds(result, 1)
        self.assertRefused(result)
        with open(self.path, "rb") as f:
            self.assertRefused(self.run_soquete("-", text=f.read()))

    def test_is_refused_by_load_and_loadfile(self):
        for call in (
            "load(io.open(...):read('a'))",
            "load(io.open(...):read('a'), 'x', 'bt')",
            "loadfile(...)",
            "loadfile(..., 'bt')",
        ):
            result = self.run_soquete("-e", f"print({call})", self.path)
            self.assertEnds(result, 0, out="nil\t")
            self.assertRefused(result)

    def test_is_refused_in_every_mode(self):
        result = self.run_soquete("-e", "print(loadfile(..., 'b'))", self.path)
        self.assertEnds(result, 0, out="nil\t")
        result = self.run_soquete("-e", "print(load(function() end, 'x', 'b'))")
        self.assertEnds(result, 0, out="nil\t")

    def test_is_refused_by_dofile_and_require(self):
        os.rename(self.path, os.path.join(self.folder, "binary.lua"))
        for call in ("dofile 'binary.lua'", "require 'binary'"):
            result = self.code(call)
            self.assertEnds(result, 1)
            self.assertRefused(result)
