"""soquete serve: a folder on the web with one command."""

import os
import re
import signal
import socket

import peers
from harness import PATIENCE, Case

URL = re.compile(r"serving (\S+) at (http://(\S+):(\d+)/)\n")


class Serve(Case):
    def setUp(self):
        super().setUp()
        self.need_files()
        self.file("site/a.txt", "hello\n")
        self.file("site/sub/b.txt", "x")

    def start_serve(self, *words, **options):
        program = self.soquete("serve", *words, **options)
        found = program.out.wait(URL.search)
        if not found:
            self.fail(f"{program.argv} does not say where it serves\n{program.told()}")
        program.root, program.url, program.host, program.port = found.groups()
        program.port = int(program.port)
        return program

    def get(self, program, path, host="127.0.0.1"):
        with peers.tcp(program.port, host) as s:
            s.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            head, _, body = peers.read_all(s).partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body

    def test_prints_its_url_and_serves_curl(self):
        self.need("curl")
        program = self.start_serve("site", "--port", "0")
        self.assertEqual((program.root, program.host), ("site", "127.0.0.1"))
        result = self.run_program("curl", "-sS", "--max-time", PATIENCE, program.url + "a.txt")
        self.assertEndsWell(result, "hello\n")

    def assertEndsWell(self, result, out):
        self.assertEqual((result.status, result.out, result.err), (0, out, ""), result)

    def test_serves_the_folder_it_is_started_in(self):
        program = self.start_serve("--port=0", cwd=os.path.join(self.folder, "site"))
        self.assertEqual(self.get(program, "/a.txt"), (200, b"hello\n"))
        self.assertEqual(self.get(program, "/../main.lua")[0], 404)

    def test_understands_the_words_of_pythons_server(self):
        program = self.start_serve("0", "-b", "127.0.0.1", "-d", "site")
        self.assertEqual(self.get(program, "/a.txt"), (200, b"hello\n"))
        program = self.start_serve("0", cwd=os.path.join(self.folder, "site"))
        self.assertEqual(self.get(program, "/a.txt"), (200, b"hello\n"))

    def test_binds_where_it_is_told(self):
        program = self.start_serve("site", "--port", "0", "--bind", "0.0.0.0")
        self.assertEqual(program.host, "localhost")
        self.assertEqual(self.get(program, "/a.txt", "127.0.0.2")[0], 200)
        if os.path.exists("/proc/net/if_inet6") and socket.has_ipv6:
            try:
                socket.socket(socket.AF_INET6).bind(("::1", 0))
            except OSError:
                return
            program = self.start_serve("site", "--port", "0", "--bind", "::1")
            self.assertEqual(program.url, f"http://[::1]:{program.port}/")
            self.assertEqual(self.get(program, "/a.txt", "::1")[0], 200)

    def test_lists_folders_only_when_it_is_told(self):
        program = self.start_serve("site", "--port", "0")
        self.assertEqual(self.get(program, "/sub/")[0], 403)
        program = self.start_serve("site", "--port", "0", "--listing")
        status, body = self.get(program, "/sub/")
        self.assertEqual(status, 200)
        self.assertIn(b'<a href="./b.txt">b.txt</a>', body)

    def test_logs_a_line_for_each_request(self):
        program = self.start_serve("site", "--port", "0")
        self.get(program, "/a.txt")
        self.get(program, "/none")
        self.get(program, "/%1b[31m")
        program.says("31m")
        program.signal(signal.SIGINT)
        self.assertEqual(program.ends(), 0)
        stamp = r"127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "
        lines = program.out.text().splitlines()
        self.assertRegex(lines[2], stamp + r'"GET /a\.txt HTTP/1\.0" 200 6$')
        self.assertRegex(lines[3], stamp + r'"GET /none HTTP/1\.0" 404 14$')
        self.assertRegex(lines[4], stamp + r'"GET /%1b\[31m HTTP/1\.0" 400 16$')
        self.assertEqual(lines[5:], ["stopped"])

    def test_ctrl_c_stops_it_cleanly(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            program = self.start_serve("site", "--port", "0")
            with peers.tcp(program.port) as idle:
                idle.sendall(b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"200 OK", idle.recv(1000))
                program.signal(number)
                self.assertEqual(program.ends(), 0)
            self.assertEqual(program.out.text().splitlines()[-1], "stopped")
            self.assertEqual(program.err.text(), "")

    def test_a_download_ends_before_it_stops(self):
        size = 32 << 20
        os.truncate(self.file("site/large", ""), size)
        program = self.start_serve("site", "--port", "0")
        with peers.tcp(program.port) as s:
            s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            got = len(s.recv(1))
            program.signal(signal.SIGINT)
            while piece := s.recv(1 << 20):
                got += len(piece)
        self.assertGreater(got, size)
        self.assertEqual(program.ends(), 0)

    def test_a_second_ctrl_c_ends_it_at_once(self):
        os.truncate(self.file("site/large", ""), 64 << 20)
        program = self.start_serve("site", "--port", "0")
        with peers.tcp(program.port) as s:
            s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            s.recv(1)  # and no more: the request goes on
            program.signal(signal.SIGINT)
            with self.assertRaises(OSError):  # it listens no longer: the first has arrived
                while True:
                    peers.tcp(program.port).close()
            program.signal(signal.SIGINT)
            self.assertEqual(program.ends(), -signal.SIGINT)

    def test_tells_who_holds_the_port(self):
        first = self.start_serve("site", "--port", "0")
        second = self.run_soquete("serve", "site", "--port", str(first.port))
        self.assertEqual(second.status, 1)
        self.assertIn("EADDRINUSE", second.err)
        self.assertIn(f"(pid {first.pid}) holds it", second.err)

    def test_goes_on_when_nobody_reads_its_log(self):
        out, theirs = os.pipe()
        program = self.soquete("serve", "site", "--port", "0", stdout=theirs)
        os.close(theirs)
        text = ""
        while not URL.search(text) or "stops" not in text:
            text += os.read(out, 1000).decode()
        program.port = int(URL.search(text).group(4))
        os.close(out)
        for _ in range(3):
            self.assertEqual(self.get(program, "/a.txt"), (200, b"hello\n"))
        program.signal(signal.SIGINT)
        program.ends()
        self.assertNotIn("traceback", program.err.text())

    def test_refuses_what_it_does_not_understand(self):
        rows = (
            (["none"], 1, "none"),
            (["site", "--port", "x"], 2, "--port x: a port is a number up to 65535"),
            (["site", "--port", "65536"], 2, "--port 65536"),
            (["site", "--port"], 2, "--port needs a value"),
            (["site", "--listing=1"], 2, "--listing takes no value"),
            (["site", "--lisping"], 2, "there is no option --lisping"),
            (["site", "other"], 2, "one word too many: other"),
            (["site", "--bind", "not a host"], 1, "not a host"),
        )
        for words, status, said in rows:
            result = self.run_soquete("serve", *words)
            self.assertEqual((result.status, result.out), (status, ""), (words, result))
            self.assertIn(said, result.err)
            self.assertNotIn("traceback", result.err)
        self.assertEqual(self.run_soquete("serve", "--help").status, 0)
