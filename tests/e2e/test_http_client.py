"""The client of net.http and `soquete get`: against python3's server, nginx, our own, and
servers that misbehave."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import socket
import struct
import sys
import termios
import threading

from harness import PATIENCE, Case, Stream, until


class RawServer:
    """Runs script(socket, number) for each connection, in a thread; closes it behind."""

    def __init__(self, script):
        self.script = script
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.count = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self.handle, args=(s, self.count), daemon=True).start()

    def handle(self, s, number):
        with s, contextlib.suppress(OSError):
            s.settimeout(PATIENCE)
            self.script(s, number)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def head(s):
    said = b""
    while b"\r\n\r\n" not in said:
        piece = s.recv(65536)
        if not piece:
            break
        said += piece
    return said


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def wait_for_the_end(s):
    while s.recv(65536):
        pass


class HttpCase(Case):
    def serve_raw(self, script):
        server = RawServer(script)
        self.addCleanup(server.close)
        return server

    def serve_python(self):
        """python3 -m http.server over the test's folder; its URL."""
        code = (
            "import http.server as h, sys\n"
            "class H(h.SimpleHTTPRequestHandler):\n"
            "  protocol_version = sys.argv[1]\n"
            "s = h.ThreadingHTTPServer(('127.0.0.1', 0), H)\n"
            "print('listening on 127.0.0.1:%d' % s.server_port, flush=True)\n"
            "s.serve_forever()\n"
        )
        urls = []
        for version in ("HTTP/1.0", "HTTP/1.1"):
            server = self.listening(self.start(sys.executable, "-c", code, version))
            urls.append(f"http://127.0.0.1:{server.port}")
        return urls

    def serve_ours(self, code, *args):
        server = self.listening(self.soquete(self.file("server.lua", code), *args))
        return f"http://127.0.0.1:{server.port}"

    def fetch(self, *args, **options):
        return self.run_soquete("get", *args, **options)

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as f:
            return f.read()


class Servers(HttpCase):
    def test_fetches_from_pythons_server(self):
        data = os.urandom(3000000)
        self.file("big.bin", data)
        os.mkdir(os.path.join(self.folder, "sub"))
        self.file("sub/index.html", "inside")
        for url in self.serve_python():
            self.assertEnds(self.fetch(f"{url}/big.bin", "-o", "got.bin"), 0, err="got.bin: 2.9 MiB")
            self.assertEqual(self.read("got.bin"), data)
            self.assertEnds(self.fetch(f"{url}/sub"), 0, "inside")  # a redirect
            result = self.fetch(f"{url}/none")
            self.assertEnds(result, 1, err=f"soquete get: {url}/none: 404 File not found\n")
            self.assertEqual(result.out, "")

    def test_keeps_a_connection_of_pythons_server(self):
        self.file("small", "text")
        old, new = self.serve_python()
        code = """
            local http = require "net.http"
            for i = 1, 5 do
              local res = assert(http.get(arg[1] .. "/small"))
              io.write(res.version, " ", res:body(), " ", require("net.http.pool").count(), "\\n")
            end
            print(assert(http.request { url = arg[1] .. "/small", method = "HEAD" }).headers["content-length"])
            print(assert(http.post(arg[1] .. "/small", "x")).status)
        """
        self.assertEnds(self.code(code, old), 0, "1.0 text 0\n" * 5 + "4\n501\n")
        self.assertEnds(self.code(code, new), 0, "1.1 text 1\n" * 5 + "4\n501\n")

    def serve_nginx(self):
        """Its URL; nginx listens on a port that was free a moment ago, so it may be beaten to
        it: then another one is tried."""
        self.need("nginx")
        for name in ("logs", "temp", "root"):
            os.mkdir(os.path.join(self.folder, name))
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as s:
                port = s.getsockname()[1]
            temp = "".join(
                f"{kind}_temp_path temp/{kind};"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            conf = self.file(
                "nginx.conf",
                f"""daemon off; master_process off; pid nginx.pid; error_log stderr;
                events {{}}
                http {{ access_log off; {temp} keepalive_requests 3; client_max_body_size 1k;
                  server {{ listen 127.0.0.1:{port}; root root; chunked_transfer_encoding on;
                    location = /moved {{ return 308 /small; }}
                    location = /text {{ return 200 "from nginx"; }}
                    location = /upload {{ proxy_pass http://127.0.0.1:{port}/text; }}
                    location = /tls {{ return 301 https://127.0.0.1/; }} }} }}""",
            )
            nginx = self.start("nginx", "-p", self.folder, "-c", conf, "-e", "stderr")

            def answers():
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    return True
                return not nginx.is_running()

            self.assertTrue(until(answers))
            if nginx.is_running():
                return f"http://127.0.0.1:{port}"
        self.fail(nginx.told())

    def test_fetches_from_nginx(self):
        url = self.serve_nginx()
        data = os.urandom(5000000)
        self.file("root/big.bin", data)
        self.file("root/small", "small file")
        self.assertEnds(self.fetch(f"{url}/big.bin", "-o", "got.bin"), 0)
        self.assertEqual(self.read("got.bin"), data)
        self.assertEnds(self.fetch(f"{url}/moved"), 0, "small file")
        self.assertEnds(self.fetch(f"{url}/none"), 1, err="404 Not Found")
        result = self.fetch(f"{url}/tls")
        self.assertEnds(result, 1, err="https://127.0.0.1/: https needs TLS, which soquete does not have")

    def test_outlives_the_connections_of_nginx(self):
        """It closes each connection after three requests."""
        url = self.serve_nginx()
        code = """
            local http = require "net.http"
            for i = 1, 20 do io.write(assert(assert(http.get(arg[1] .. "/text")):body()), "\\n") end
        """
        self.assertEnds(self.code(code, url), 0, "from nginx\n" * 20)

    def test_hears_that_nginx_wants_no_such_body(self):
        url = self.serve_nginx()
        code = """
            local http = require "net.http"
            local function endless() return ("x"):rep(65536) end
            for _, body in ipairs { ("x"):rep(20000000), ("x"):rep(2000), endless } do
              local res = assert(http.post(arg[1] .. "/upload", body))
              print(res.status, res:body():match("<h1>(.-)</h1>"))
            end
            print(assert(http.post(arg[1] .. "/upload", "short")).status)
        """
        result = self.code(code, url)
        self.assertEnds(result, 0, "413\t413 Request Entity Too Large\n" * 3 + "200\n")

    def test_talks_to_our_own_server(self):
        url = self.serve_ours(
            """
            local net = require "net"
            local http = require "net.http"
            local server = assert(http.server("127.0.0.1:0", http.router {
              ["GET /stream"] = function(req, res)
                for i = 1, 2000 do assert(res:write(("line %d\\n"):format(i))) end
              end,
              ["POST /form"] = function(req, res) res:json(assert(req:form())) end,
              ["POST /json"] = function(req, res) res:json(assert(req:json())) end,
              ["PUT /sum"] = function(req, res)
                local bytes = 0
                for piece in function() return req:read() end do bytes = bytes + #piece end
                res:send(200, bytes)
              end,
              ["POST /small"] = function(req, res) res:send(200, assert(req:body(10))) end,
              ["GET /away"] = function(req, res) res:redirect("/stream") end,
            }))
            print("listening on " .. server.address)
            server:run()
            """
        )
        code = """
            local http = require "net.http"
            local url, lines = arg[1], 0
            for line in assert(http.get(url .. "/away")):lines() do lines = lines + 1 end
            print(lines)
            print(assert(http.post(url .. "/form", { a = "x y" })):json().a)
            print(assert(http.request { url = url .. "/json", json = { b = "ação" } }):json().b)
            local left = 300
            print(assert(http.request { url = url .. "/sum", method = "PUT", body = function()
              left = left - 1
              return left >= 0 and ("x"):rep(10000) or nil
            end }):body())
            print(assert(http.request { url = url .. "/sum", method = "PUT", body = ("x"):rep(9999999) }):body())
            print(assert(http.post(url .. "/small", ("x"):rep(9999999))).status)
        """
        result = self.code(code, url)
        self.assertEnds(result, 0, "2000\nx y\nação\n3000000\n9999999\n413\n")


class Misbehaviour(HttpCase):
    def test_a_server_that_vanishes_in_mid_body_leaves_no_file(self):
        self.need_files()
        for framing in (b"Content-Length: 100000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n1000\r\n"):
            for end in (lambda s: None, reset):

                def script(s, number):
                    head(s)
                    s.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"x" * 3000)
                    end(s)

                server = self.serve_raw(script)
                result = self.fetch(server.url, "-o", "out")
                self.assertEqual(result.status, 1, result)
                self.assertRegex(result.err, r"\((eof|ECONNRESET)\)\n")
                self.assertEqual(os.listdir(self.folder), [])
                result = self.fetch(server.url)
                self.assertEqual(result.status, 1, result)

    def test_memory_grows_with_what_came(self):
        def script(s, number):
            head(s)
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\nfew")
            s.recv(1)

        code = """
            local http = require "net.http"
            local function memory()
              for line in io.lines("/proc/self/status") do
                local size = line:match("^VmRSS:%s*(%d+)")
                if size then return size end
              end
            end
            local res = assert(http.get(arg[1], { max = math.maxinteger, timeout = 1 }))
            local before = memory()
            print(select(3, res:body()))
            print(memory() - before < 1000)
            print(select(3, assert(http.get(arg[1])):body()))
        """
        result = self.code(code, self.serve_raw(script).url)
        self.assertEnds(result, 0, "timeout\ntrue\noversized\n")

    def test_a_slow_server_is_a_timeout(self):
        self.need_files()
        def script(s, number):
            head(s)
            with contextlib.suppress(OSError):
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not ended.wait(0.05):
                    s.sendall(b"x")

        ended = threading.Event()
        self.addCleanup(ended.set)
        code = """
            local http = require "net.http"
            print(select(3, assert(http.get(arg[1], { timeout = 0.5 })):body()))
            print(select(3, http.get(arg[1], { timeout = 0.5, to = "file" })))
            print(io.open("file"))
        """
        result = self.code(code, self.serve_raw(script).url)
        self.assertEnds(result, 0, "timeout\ntimeout\nnil\tfile: No such file")

    def test_a_head_byte_by_byte_is_read(self):
        def script(s, number):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head(s)
            for byte in b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n":
                s.sendall(bytes([byte]))

        self.assertEnds(self.fetch(self.serve_raw(script).url), 0, "hello")

    def test_no_http_at_all_is_told(self):
        def script(s, number):
            s.sendall(b"220 mail ready\r\n")
            head(s)

        result = self.fetch(self.serve_raw(script).url)
        self.assertEnds(result, 1, err="(invalid)")

    def test_kept_connections_that_the_server_resets_are_replaced(self):
        def script(s, number):
            head(s)
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            if number % 2:
                head(s)
                reset(s)  # behind the request: only a repetition helps
            else:
                reset(s)

        server = self.serve_raw(script)
        code = """
            local http = require "net.http"
            for i = 1, 50 do assert(assert(http.get(arg[1])):body() == "ok") end
            print("done")
        """
        self.assertEnds(self.code(code, server.url), 0, "done")

    def test_many_tasks_fetch_at_once_and_leave_nothing(self):
        def script(s, number):
            while head(s):
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        code = """
            local net = require "net"
            local http = require "net.http"
            local done = 0
            net.group(function(group)
              for i = 1, 100 do
                group:spawn(function()
                  for _ = 1, 5 do assert(assert(http.get(arg[1])):body() == "ok") end
                  done = done + 1
                end)
              end
            end)
            print(done, require("net.http.pool").count())
            http.close_idle()
            local sockets = io.popen("ls -l /proc/$PPID/fd | grep -c socket:"):read("a")
            print(tonumber(sockets))
        """
        server = self.serve_raw(script)
        self.assertEnds(self.code(code, server.url), 0, "100\t8\n0\n")


class Get(HttpCase):
    DATA = bytes(range(256)) * 4000

    def serve_slowly(self, length=True):
        """Half of the data comes at once, the rest when `go` is set."""
        self.go = threading.Event()
        self.addCleanup(self.go.set)

        def script(s, number):
            head(s)
            half = len(self.DATA) // 2
            told = b"Content-Length: %d\r\n" % len(self.DATA) if length else b""
            s.sendall(b"HTTP/1.1 200 OK\r\n%s\r\n" % told + self.DATA[:half])
            while not self.go.wait(0.15):  # pieces, so that the line is drawn
                s.sendall(self.DATA[half : half + 1])
                half += 1
            s.sendall(self.DATA[half:])

        return self.serve_raw(script)

    def terminal(self, *args):
        """Runs `soquete get` with a terminal as standard error."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        program = self.start(*self.command("get", *args), stderr=theirs)
        os.close(theirs)
        self.addCleanup(os.close, ours)
        program.screen = Stream(ours)
        return program

    def test_draws_how_far_it_is_on_a_terminal(self):
        self.need_files()
        server = self.serve_slowly()
        program = self.terminal(server.url + "/x", "-o", "saved.bin")
        line = r"saved\.bin  \[=+ +\]   5\d%  5\d\d\.\d KiB of 1000\.0 KiB  \S+ \S+/s  ETA \d+:\d\d"
        self.assertTrue(program.screen.wait(lambda all: re.search(line, all)), program.screen.text())
        self.assertEqual(os.path.exists(os.path.join(self.folder, "saved.bin")), False)
        self.go.set()
        self.assertEqual(program.ends(), 0)
        self.assertTrue(program.screen.wait(lambda all: "saved.bin: 1000.0 KiB in" in all))
        self.assertEqual(self.read("saved.bin"), self.DATA)
        for drawn in program.screen.text().split("\r"):
            self.assertLess(len(drawn.replace("\x1b[K", "")), 100)

    def test_draws_without_a_length_too(self):
        server = self.serve_slowly(length=False)
        program = self.terminal(server.url + "/x", "-o", "saved.bin")
        self.assertTrue(program.screen.wait(lambda all: re.search(r"saved\.bin  5\d\d\.\d KiB  ", all)))
        self.go.set()
        self.assertEqual(program.ends(), 0)
        self.assertEqual(self.read("saved.bin"), self.DATA)

    def test_is_plain_elsewhere(self):
        server = self.serve_slowly()
        self.go.set()
        result = self.fetch(server.url, "-o", "saved.bin")
        self.assertEnds(result, 0)
        self.assertRegex(result.err, r"^saved\.bin: 1000\.0 KiB in \d+\.\d s, \S+ \S+/s\n$")
        self.assertEqual(self.read("saved.bin"), self.DATA)

    def test_prints_bytes_as_they_are(self):
        server = self.serve_slowly()
        self.go.set()
        for words in ((), ("-o", "-")):
            program = self.soquete("get", f"127.0.0.1:{server.port}", *words)
            self.assertEqual(program.ends(), 0)
            self.assertEqual(program.out.data, self.DATA)
            self.assertEqual(program.err.data, b"")

    def test_takes_a_path_as_people_type_it(self):
        def script(s, number):
            line = head(s).split(b"\r\n")[0]
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(line) + line)

        server = self.serve_raw(script)
        result = self.fetch(f"127.0.0.1:{server.port}/ação 1%20?é")
        self.assertEnds(result, 0, "GET /a%C3%A7%C3%A3o%201%20?%C3%A9 HTTP/1.1")

    def test_ctrl_c_leaves_nothing(self):
        self.need_files()
        server = self.serve_slowly()
        program = self.terminal(server.url, "-o", "saved.bin")
        self.assertTrue(program.screen.wait(lambda all: "ETA" in all))
        program.signal(signal.SIGINT)
        self.assertEqual(program.ends(), -signal.SIGINT)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_full_disk_is_told(self):
        server = self.serve_slowly()
        self.go.set()
        result = self.fetch(server.url, "-o", "/dev/full")
        self.assertEnds(result, 1, err="no space left on device (ENOSPC)")
        with open("/dev/full", "wb") as full:
            program = self.start(*self.command("get", server.url), stdout=full)
            self.assertEqual(program.ends(), 1)
            self.assertIn("No space left on device", program.err.text())

    def test_wrong_words_are_usage(self):
        for words in ((), ("a", "b"), ("a", "--loud"), ("a", "-o")):
            self.assertEnds(self.fetch(*words), 2, err="usage: soquete get URL [-o FILE]")
        self.assertEnds(self.fetch("--help"), 0, "usage: soquete get URL [-o FILE]")
        self.assertEnds(self.fetch("https://localhost/"), 1, err="https needs TLS")
        self.assertEnds(self.fetch("ftp://localhost/"), 1, err="does not begin with http://")
        self.assertEnds(self.fetch("no such host/"), 1, err="invalid")

    def test_a_failure_has_its_hint(self):
        result = self.fetch("127.0.0.1:1")
        self.assertEnds(result, 1, err="soquete get: connect 127.0.0.1:1: connection refused")
        self.assertIn("\n  hint: nothing listens there", result.err)

    def test_a_file_that_cannot_be_made_is_named_as_it_was_typed(self):
        server = self.serve_slowly()
        self.go.set()
        result = self.fetch(server.url, "-o", "/nowhere/at/all")
        self.assertEnds(result, 1, err="open /nowhere/at/all: no such file or directory")
