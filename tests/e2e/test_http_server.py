"""The web server of net.http and the programs that people use: curl, wget, python3's client,
and raw sockets where a client has to misbehave."""

import http.client
import json
import os
import signal
import socket
import threading

import harness
from harness import PATIENCE, Case, slow, sockets, until

SITE = """
local net = require "net"
local http = require "net.http"

local function hash(text)
  local h = 5381
  for i = 1, #text, 997 do h = (h * 33 + text:byte(i)) % 4294967296 end
  return h
end

local site = http.router {
  ["GET /"] = function(req, res) res:send(200, "hello " .. (req.query.name or "world")) end,
  ["POST /echo"] = function(req, res) res:send(200, assert(req:body())) end,
  ["PUT /sum"] = function(req, res)
    local bytes = 0
    for piece in function() return req:read() end do bytes = bytes + #piece end
    res:json { bytes = bytes }
  end,
  ["POST /upload"] = function(req, res)
    local list = {}
    for part in req:parts { max = 1 << 30 } do
      if part.filename then
        list[#list + 1] = { part.filename, assert(part:save(arg[1] .. "/" .. part.name)) }
      else
        list[#list + 1] = { part.name, assert(part:text()) }
      end
    end
    res:json(list)
  end,
  ["GET /stream"] = function(req, res)
    for i = 1, 1000 do assert(res:write(("%04d "):format(i):rep(100))) end
  end,
  ["GET /events"] = function(req, res)
    local events = res:events()
    for i = 1, 3 do events:send { id = i, data = "tick " .. i } end
  end,
  ["GET /slow"] = function(req, res) print("it begins") net.sleep(0.5) res:send(200, "late") end,
  ["GET /hang"] = function(req, res) print("it begins") net.sleep(100) end,
  ["GET /error"] = function() error("a secret") end,
  ["GET /old"] = function(req, res) res:redirect("/?name=new") end,
  ["GET /cookie"] = function(req, res)
    res:cookie("seen", tonumber(req.cookies.seen or 0) + 1, { path = "/" })
    res:send(200, req.cookies.seen or "0")
  end,
}
local server = assert(http.server("127.0.0.1:0", site, { log = arg[2], grace = 1 }))
print("listening on " .. tostring(server.address))
assert(http.serve(server.listener, site, { log = arg[2], grace = 1 }))
"""


class Server(Case):
    def start_site(self, *log):
        path = self.file("site.lua", SITE)
        self.site = self.listening(self.soquete(path, self.folder, *log))
        return f"http://127.0.0.1:{self.site.port}"

    def curl(self, *words, text=b""):
        self.need("curl")
        result = self.run_program("curl", "-sS", "--max-time", PATIENCE, *words, text=text)
        self.assertEqual(result.status, 0, result)
        return result.out

    def raw(self, data, wait=PATIENCE):
        """Sends bytes and reads until the server closes."""
        with socket.create_connection(("127.0.0.1", self.site.port)) as s:
            s.settimeout(wait)
            s.sendall(data)
            said = b""
            while piece := s.recv(65536):
                said += piece
            return said

    def start_on_small_disk(self):
        """The site, in a mount namespace where its folder is a disk of 64 KiB."""
        self.need("unshare")
        if self.run_program("unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt").status != 0:
            self.skipTest("this machine lets nobody mount")
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        mount = 'mount -t tmpfs -o size=64k none "$0" && exec "$@" "$0"'
        site = self.command(self.file("site.lua", SITE))
        self.site = self.listening(self.start("unshare", "-rm", "sh", "-c", mount, disk, *site))
        self.disk = f"/proc/{self.site.pid}/root{disk}"
        return f"http://127.0.0.1:{self.site.port}"

    # --- curl and wget ---

    def test_answers_curl(self):
        url = self.start_site()
        self.assertEqual(self.curl(f"{url}/?name=curl"), "hello curl")
        self.assertEqual(self.curl("--http1.0", f"{url}/?name=old"), "hello old")
        self.assertEqual(self.curl("-L", f"{url}/old"), "hello new")
        self.assertIn("HTTP/1.1 200 OK", self.curl("-I", url))
        self.assertEqual(self.curl("-d", "body", f"{url}/echo"), "body")
        self.assertEqual(len(self.curl(f"{url}/stream")), 500000)
        self.assertEqual(self.curl("--http1.0", f"{url}/stream")[-5:], "1000 ")
        self.assertEqual(self.curl("-o", "/dev/null", "-w", "%{http_code}", f"{url}/none"), "404")
        self.assertEqual(
            self.curl("-X", "DELETE", "-o", "/dev/null", "-w", "%{http_code}", f"{url}/echo"), "405"
        )

    def test_keeps_the_connection_of_curl(self):
        url = self.start_site()
        said = self.curl("-w", "%{num_connects}", f"{url}/", f"{url}/", f"{url}/")
        self.assertEqual(said, "hello world1hello world0hello world0")

    def test_takes_bodies_of_curl(self):
        url = self.start_site()
        path = self.file("big", os.urandom(3000000))
        self.assertEqual(json.loads(self.curl("-T", path, f"{url}/sum")), {"bytes": 3000000})
        chunked = self.curl("-T", path, "-H", "Transfer-Encoding: chunked", f"{url}/sum")
        self.assertEqual(json.loads(chunked), {"bytes": 3000000})
        code = self.curl("-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{path}", f"{url}/echo")
        self.assertEqual(code, "413")

    def test_takes_an_upload_of_curl(self):
        url = self.start_site()
        data = os.urandom(5000000)
        path = self.file("sent.bin", data)
        said = json.loads(self.curl("-F", "title=x y", "-F", f"saved=@{path}", f"{url}/upload"))
        self.assertEqual(said, [["title", "x y"], ["sent.bin", 5000000]])
        with open(os.path.join(self.folder, "saved"), "rb") as f:
            self.assertEqual(f.read(), data)

    def test_a_disk_that_fills_during_an_upload_harms_only_that_one(self):
        url = self.start_on_small_disk()
        long, short = self.file("long", b"x" * 1000000), self.file("short", b"y" * 1000)
        for _ in range(2):
            said = self.curl("-F", f"a=@{long}", "-w", " %{http_code}", url + "/upload")
            self.assertEqual(said, "500 Internal Server Error\n 500")
            self.assertEqual(os.listdir(self.disk), [])
        self.assertIn("no space left on device (ENOSPC)", self.site.err.text())
        said = self.curl("-F", f"a=@{short}", url + "/upload")
        self.assertEqual(json.loads(said), [["short", 1000]])
        self.assertEqual(os.listdir(self.disk), ["a"])

    def test_sends_events_and_cookies_to_curl(self):
        url = self.start_site()
        self.assertEqual(
            self.curl("-N", f"{url}/events"),
            "".join(f"id: {i}\ndata: tick {i}\n\n" for i in (1, 2, 3)),
        )
        said = self.curl("-c", f"{self.folder}/jar", "-b", f"{self.folder}/jar", *[f"{url}/cookie"] * 3)
        self.assertEqual(said, "012")

    def test_answers_wget(self):
        self.need("wget")
        url = self.start_site()
        result = self.run_program("wget", "-q", "-O", "-", f"{url}/?name=wget")
        self.assertEnds(result, 0, "hello wget")
        self.assertEnds(self.run_program("wget", "-q", "-O", "-", f"{url}/none"), 8)

    # --- clients that count ---

    def test_answers_ab(self):
        """It speaks HTTP/1.0, and asks for the connection to be kept."""
        self.need("ab")
        url = self.start_site()
        result = self.run_program("ab", "-q", "-k", "-n", 2000, "-c", 20, f"{url}/")
        self.assertEnds(result, 0, "Failed requests:        0")
        self.assertRegex(result.out, "Complete requests: +2000\n")
        self.assertRegex(result.out, "Keep-Alive requests: +2000\n")
        result = self.run_program("ab", "-q", "-n", 500, "-c", 20, f"{url}/stream")
        self.assertEnds(result, 0, "Failed requests:        0")

    def test_answers_wrk(self):
        self.need("wrk")
        url = self.start_site()
        result = self.run_program("wrk", "-t", 1, "-c", 20, "-d", 1, "--latency", f"{url}/")
        self.assertEnds(result, 0, "requests in")
        self.assertNotIn("Socket errors", result.out)
        self.assertNotIn("Non-2xx", result.out)

    # --- python3 ---

    def test_answers_pythons_client(self):
        self.start_site()
        client = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=PATIENCE)
        for n in range(3):
            client.request("GET", f"/?name={n}")
            answer = client.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, b"hello %d" % n))
        client.request("POST", "/echo", iter([b"one ", b"two"]), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        self.assertEqual(client.getresponse().read(), b"one two")
        client.request("HEAD", "/stream")
        answer = client.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b""))
        client.request("GET", "/error")
        answer = client.getresponse()
        self.assertEqual(answer.status, 500)
        self.assertNotIn(b"secret", answer.read())
        client.close()
        self.site.complains("a secret")

    # --- clients that misbehave ---

    def test_answers_the_fast_while_others_are_slow(self):
        self.start_site()
        slow = [socket.create_connection(("127.0.0.1", self.site.port)) for _ in range(50)]
        for n, s in enumerate(slow):
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n"[: n % 25])
        said = self.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertTrue(said.endswith(b"hello world"), said)
        for s in slow:
            s.close()

    def test_survives_clients_that_vanish(self):
        self.start_site()
        for data in (
            b"GE",
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nfew",
            b"PUT /sum HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            for hard in (False, True):
                s = socket.create_connection(("127.0.0.1", self.site.port))
                if hard:  # a reset instead of an end
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.sendall(data)
                s.close()
        said = self.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertTrue(said.endswith(b"hello world"), said)
        self.assertTrue(until(lambda: sockets(self.site.pid) == 1))  # it listens
        self.assertEqual(self.site.err.text(), "")

    def test_an_early_answer_arrives(self):
        self.start_site()
        head = b"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n"
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", self.site.port)) as s:
                s.settimeout(PATIENCE)
                s.sendall(head + b"x" * 200000)
                try:
                    s.sendall(b"x" * 200000)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 404 "))

    @harness.counts_calls
    def test_pipelined_requests_share_sends(self):
        self.need("strace")
        self.start_site()
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.site.port)) as s:
            s.settimeout(PATIENCE)
            s.sendall(request)
            self.assertIn(b"200 OK", s.recv(65536))
            log = os.path.join(self.folder, "calls")
            strace = self.start("strace", "-f", "-o", log, "-e", "trace=network", "-p", self.site.pid)
            if strace.err.wait(lambda all: "attached" in all) is None:
                self.skipTest("strace cannot attach here")
            for _ in range(10):
                s.sendall(request)
                self.assertIn(b"200 OK", s.recv(65536))
            s.sendall(request * 20)
            said = b""
            while said.count(b"hello world") < 20:
                said += s.recv(65536)
            strace.signal(signal.SIGINT)
            strace.ends()
        with open(log) as f:
            calls = f.read()
        self.assertEqual(calls.count("sendto("), 11, calls)
        self.assertLessEqual(calls.count("recvfrom("), 14, calls)

    # --- the end ---

    def test_ends_running_requests_at_sigterm(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.start_site()
            idle = socket.create_connection(("127.0.0.1", self.site.port))
            answers = []
            client = threading.Thread(
                target=lambda: answers.append(self.raw(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))
            )
            client.start()
            self.site.says("it begins\n")
            self.site.signal(number)
            idle.settimeout(PATIENCE)
            self.assertEqual(idle.recv(1), b"")
            client.join(PATIENCE)
            self.assertTrue(answers[0].endswith(b"late"), answers)
            self.assertIn(b"Connection: close", answers[0])
            self.assertEqual(self.site.ends(), 0)
            idle.close()

    def test_cancels_what_takes_longer_than_the_grace(self):
        self.start_site()
        with socket.create_connection(("127.0.0.1", self.site.port)) as s:
            s.settimeout(PATIENCE)
            s.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
            self.site.says("it begins\n")
            self.site.signal(signal.SIGTERM)
            self.assertEqual(s.recv(1), b"")
        self.assertEqual(self.site.ends(), 0)

    def test_a_second_signal_ends_it_at_once(self):
        self.start_site()
        with socket.create_connection(("127.0.0.1", self.site.port)) as s:
            s.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
            self.site.says("it begins\n")
            self.site.signal(signal.SIGTERM)

            def listens():
                try:
                    socket.create_connection(("127.0.0.1", self.site.port)).close()
                except OSError:
                    return False
                return True

            self.assertTrue(until(lambda: not listens()))
            self.site.signal(signal.SIGTERM)
            self.assertIn(self.site.ends(), (-signal.SIGTERM, 0))

    # --- the log ---

    def test_logs_to_standard_output(self):
        url = self.start_site("common")
        self.curl(f"{url}/")
        self.site.says('"GET / HTTP/1.1" 200 11\n')
        url = self.start_site("json")
        self.curl("-A", "me", f"{url}/?x")
        self.site.says('"target":"/?x"')
        line = self.site.out.text().splitlines()[1]
        entry = json.loads(line)
        self.assertEqual((entry["status"], entry["user_agent"]), (200, "me"))

    def test_goes_on_when_standard_output_is_gone(self):
        path = self.file("site.lua", SITE)
        read, write = os.pipe()
        program = self.start(*self.command(path, self.folder, "common"), stdout=write)
        os.close(write)
        said = b""
        while b"\n" not in said:
            said += os.read(read, 100)
        os.close(read)
        program.port = int(said.split(b":")[-1])
        self.site = program
        for _ in range(3):
            answer = self.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertTrue(answer.endswith(b"hello world"))


class Idle(Case):
    CONNECTIONS = 9000

    @slow
    def test_keeps_thousands_of_idle_connections(self):
        self.need_own_figures()
        """Each has been served once and waits; a new client is answered meanwhile."""
        path = self.file("site.lua", SITE)
        site = self.listening(self.soquete(path, self.folder))
        with open(harness.soquete, "rb") as f:  # it collects all garbage at every wait
            sanitized = b"__asan_init" in f.read()
        count = 200 if sanitized else self.CONNECTIONS
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        idle = []
        try:
            for _ in range(count):
                s = socket.create_connection(("127.0.0.1", site.port))
                s.settimeout(PATIENCE)
                idle.append(s)
                s.sendall(request)
            for s in idle:
                self.assertTrue(s.recv(1000).startswith(b"HTTP/1.1 200 OK"))
            with open(f"/proc/{site.pid}/status") as f:
                resident = int(f.read().split("VmRSS:")[1].split()[0])
            if not sanitized:
                self.assertLess(resident / count, 8, "KiB a connection")
            fresh = socket.create_connection(("127.0.0.1", site.port))
            fresh.settimeout(PATIENCE)
            fresh.sendall(request)
            self.assertTrue(fresh.recv(1000).startswith(b"HTTP/1.1 200 OK"))
            fresh.close()
        except OSError as error:
            if error.errno == 24:
                self.skipTest("too few descriptors are allowed here")
            raise
        finally:
            for s in idle:
                s.close()
