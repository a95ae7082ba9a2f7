"""The demo: it shows the conversations, and fails when a reply is wrong."""

import os
import shutil
import time

import harness
from harness import ROOT, SCRIPTS, Case, until


class Demo(Case):
    def demo(self, **env):
        path = os.path.join(ROOT, "tests", "e2e", "demo.sh")
        env = dict(os.environ, SOQUETE=harness.soquete, **env)
        return self.run_program(path, env=env, patience=100)

    def doctored(self, script, old, new):
        """A copy of the scripts in which one of them does something wrong."""
        folder = os.path.join(self.folder, "scripts")
        shutil.copytree(SCRIPTS, folder)
        path = os.path.join(folder, script)
        with open(path) as f:
            text = f.read()
        self.assertIn(old, text)
        with open(path, "w") as f:
            f.write(text.replace(old, new))
        return folder

    def test_shows_every_conversation(self):
        self.need_files()
        begin = time.monotonic()
        result = self.demo()
        self.assertEnds(result, 0, out="Every reply was right.\n")
        self.assertLess(time.monotonic() - begin, 20)  # 5 s where nothing else runs
        for text in ("<h1>Olá, ação!</h1>", "404 Not Found", "From Server: AÇÃO", "FIRST, AÇÃO", "TRÊS, COM AÇÃO", "localhost",
                     "Mbit/s"):
            self.assertIn(text, result.out)
        for name in os.listdir(SCRIPTS):
            self.assertIn(f"soquete {name} ", result.out)

    def test_fails_when_a_server_answers_wrongly(self):
        for script, right, wrong in (
            ("01-udp-server.lua", "upper .. rest", "'WRONG' .. rest"),
            ("02-tcp-server.lua", "conn:send(upper)", "conn:send('WRONG')"),
            ("03-web-server.lua", 'size .. "\\r\\n\\r\\n"', 'size .. "\\r\\n"'),
            ("04-throughput-server.lua", "bytes + part.bytes", "bytes + part.bytes + 1"),
            ("06-line-server.lua", 'upper .. rest .. "\\n"', "'WRONG' .. rest"),
            ("07-proxy.lua", "net.relay(client, server", "net.relay(client, client"),
        ):
            with self.subTest(script):
                shutil.rmtree(os.path.join(self.folder, "scripts"), ignore_errors=True)
                folder = self.doctored(script, right, wrong)
                result = self.demo(SCRIPTS=folder)
                self.assertEnds(result, 1, err="demo: ")
                self.assertNotIn("Every reply was right", result.out)

    def test_fails_when_a_server_does_not_start(self):
        folder = self.doctored("01-udp-server.lua", "assert(socket:bind", "error('oops') -- ")
        self.assertEnds(self.demo(SCRIPTS=folder), 1, err="demo: 01-udp-server.lua said")

    def test_fails_when_a_client_fails(self):
        folder = self.doctored("02-tcp-client.lua", 'print("From', 'error("From')
        self.assertEnds(self.demo(SCRIPTS=folder), 1, err="demo: ")

    def test_leaves_no_server_behind(self):
        self.need_files()
        marker = f"demo-{os.getpid()}-{time.monotonic_ns()}"
        self.assertEnds(self.demo(MARKER=marker), 0)
        self.assertTrue(until(lambda: not self.processes_with(marker)))

    def processes_with(self, marker):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if marker.encode() in f.read():
                        found.append(pid)
            except OSError:  # another user's, or gone
                pass
        return found
