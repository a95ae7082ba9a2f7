"""Files over HTTP and the programs that people fetch them with: curl, wget, Python's client,
ab, wrk, a browser, and raw sockets where a client has to misbehave. The paths that must not
lead out of the folder, and files that change while they are sent."""

import http.client
import os
import re
import signal
import socket
import struct
import threading
import zlib

import harness
import peers
from harness import PATIENCE, Case, sockets, until

SITE = """
local http = require "net.http"
local files = http.files(arg[1], { listing = true })
local site = arg[2] and http.router { [arg[2]] = files } or files
local server = assert(http.server("127.0.0.1:0", site, { requests = math.maxinteger }))
print("listening on " .. tostring(server.address))
assert(http.serve(server.listener, site, { requests = math.maxinteger }))
"""

OLD = 1_700_000_000  # a time at which nobody has changed these files
LARGE = 64 << 20  # more than the buffers of a connection hold


class Files(Case):
    def setUp(self):
        self.need_files()
        super().setUp()
        self.root = os.path.join(self.folder, "root")
        os.mkdir(self.root)

    def start_site(self, *mount):
        self.site = self.listening(self.soquete(self.file("site.lua", SITE), self.root, *mount))
        return f"http://127.0.0.1:{self.site.port}"

    def put(self, name, data, mtime=OLD):
        path = self.file(os.path.join("root", name), data)
        os.utime(path, (mtime, mtime))
        return path

    def sparse(self, name, size=LARGE):
        path = self.put(name, b"")
        os.truncate(path, size)
        os.utime(path, (OLD, OLD))
        return path

    def fetch(self, target, fields=b"", method=b"GET"):
        """One request by bytes: the status, the head, the body."""
        if isinstance(target, str):
            target = target.encode()
        with peers.tcp(self.site.port) as s:
            s.sendall(method + b" " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                      + fields + b"\r\n")
            head, _, body = peers.read_all(s).partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), head, body

    def curl(self, *words):
        self.need("curl")
        result = self.run_program("curl", "-sS", "--max-time", PATIENCE, *words)
        self.assertEqual(result.status, 0, result)
        return result.out


class Clients(Files):
    def test_answers_curl(self):
        url = self.start_site()
        self.put("a.txt", "0123456789")
        self.assertEqual(self.curl(f"{url}/a.txt"), "0123456789")
        self.assertEqual(self.curl("--http1.0", f"{url}/a.txt"), "0123456789")
        self.assertEqual(self.curl("-r", "2-4", f"{url}/a.txt"), "234")
        self.assertIn("Content-Length: 10", self.curl("-I", f"{url}/a.txt"))
        code = ["-o", os.devnull, "-w", "%{http_code}"]
        self.assertEqual(self.curl(*code, "-z", "Tue, 14 Nov 2023 22:13:20 GMT", f"{url}/a.txt"), "304")
        self.assertEqual(self.curl(*code, "-X", "DELETE", f"{url}/a.txt"), "405")
        tags = os.path.join(self.folder, "tags")
        self.curl("--etag-save", tags, f"{url}/a.txt")
        self.assertEqual(self.curl(*code, "--etag-compare", tags, f"{url}/a.txt"), "304")

    def test_keeps_the_connection_of_curl(self):
        url = self.start_site()
        self.put("a.txt", "x")
        self.sparse("large", 1 << 20)
        said = self.curl("-w", "%{num_connects}", *[f"{url}/a.txt"] * 5)
        self.assertEqual(said, "x1" + "x0" * 4)
        words = ["-o", os.devnull, f"{url}/large"]
        self.assertEqual(self.curl("-w", "%{num_connects}", *words * 3), "100")

    def test_resumes_with_curl_and_wget(self):
        self.need("wget")
        url = self.start_site()
        data = os.urandom(3 << 20)
        self.put("large", data)
        for argv in (["curl", "-sS", "-C", "-", "-o"], ["wget", "-q", "-c", "-O"]):
            part = self.file("part", data[: 1 << 20])
            result = self.run_program(*argv, part, f"{url}/large")
            self.assertEqual(result.status, 0, result)
            with open(part, "rb") as f:
                self.assertEqual(f.read(), data)

    def test_is_mirrored_by_wget(self):
        self.need("wget")
        url = self.start_site()
        self.put("a.txt", "one")
        self.put("sub/with space & more.txt", "two")
        self.put("sub/deep/c.bin", bytes(range(256)))
        result = self.run_program("wget", "-q", "-r", "-np", "-nH", "-P", "copy", f"{url}/")
        self.assertEqual(result.status, 0, result)
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                copy = os.path.join(self.folder, "copy", os.path.relpath(path, self.root))
                with open(path, "rb") as a, open(copy, "rb") as b:
                    self.assertEqual(a.read(), b.read())

    def test_sends_compressed_siblings_to_curl(self):
        url = self.start_site()
        self.put("page.html", "plain")
        gzip = zlib.compressobj(wbits=31)
        self.put("page.html.gz", gzip.compress(b"from gzip") + gzip.flush())
        self.assertEqual(self.curl("--compressed", f"{url}/page.html"), "from gzip")
        self.assertEqual(self.curl(f"{url}/page.html"), "plain")

    def test_answers_python_over_one_connection(self):
        self.start_site()
        self.put("a.txt", "hello")
        client = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=PATIENCE)
        for _ in range(100):
            for method, size in (("GET", 5), ("HEAD", 0)):
                client.request(method, "/a.txt")
                answer = client.getresponse()
                self.assertEqual((answer.status, len(answer.read())), (200, size))
                self.assertEqual(answer.getheader("Content-Length"), "5")
        client.close()

    def test_answers_ab_and_wrk(self):
        url = self.start_site()
        self.put("a.bin", os.urandom(1000))
        self.put("b.bin", os.urandom(100000))
        for name in ("a.bin", "b.bin"):
            self.need("ab")
            for keep in (["-k"], []):
                result = self.run_program("ab", "-q", "-n", "500", "-c", "10", *keep, f"{url}/{name}")
                self.assertEqual(result.status, 0, result)
                self.assertRegex(result.out, r"Complete requests: +500\n")
                self.assertRegex(result.out, r"Failed requests: +0\n")
                self.assertNotIn("Non-2xx", result.out)
            self.need("wrk")
            result = self.run_program("wrk", "-t", "1", "-c", "20", "-d", "1", f"{url}/{name}")
            self.assertEqual(result.status, 0, result)
            self.assertNotIn("Socket errors", result.out)
            self.assertNotIn("Non-2xx", result.out)
            self.assertGreater(int(re.search(r"(\d+) requests in", result.out).group(1)), 0)

    def test_answers_pipelined_requests_in_order(self):
        self.start_site()
        for i in range(10):
            self.put(f"{i}.txt", f"<{i}>" * 1000)
        order = [i * 7 % 10 for i in range(300)]
        with peers.tcp(self.site.port) as s:
            ask = b"".join(b"GET /%d.txt HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in order[:-1])
            ask += b"GET /%d.txt HTTP/1.0\r\n\r\n" % order[-1]
            writer = threading.Thread(target=s.sendall, args=(ask,))
            writer.start()
            said = peers.read_all(s)
            writer.join()
        self.assertEqual([int(d) for d in re.findall(rb"\r\n\r\n<(\d)>", said)], order)

    @harness.counts_calls
    def test_a_kept_small_file_is_one_receive_and_one_send(self):
        """Counted by strace; the pages of a file of 100 KiB are lent by one call and go by another."""
        self.need("strace")
        self.put("small", os.urandom(1000))
        self.put("large", os.urandom(100 << 10))
        log = os.path.join(self.folder, "strace.log")
        calls = ("trace=recvfrom,sendto,sendmsg,write,writev,sendfile,vmsplice,splice,"
                 "openat,openat2,fstat,newfstatat")
        site = self.file("site.lua", SITE)
        self.site = self.listening(
            self.start("strace", "-f", "-qq", "-o", log, "-e", calls, harness.soquete, site, self.root))
        with open(f"/proc/{self.site.pid}/task/{self.site.pid}/children") as f:
            traced = int(f.read())
        self.addCleanup(os.kill, traced, signal.SIGKILL)  # it would outlive strace
        client = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=PATIENCE)
        count = 200

        def names_of(begin):
            with open(log) as f:
                return re.findall(r"^\d+ +(\w+)\(", f.read()[begin:], re.M)

        for name, sends in (("small", ["sendto"]), ("large", ["vmsplice", "splice"])):
            for _ in range(4):
                client.request("GET", "/" + name)
                client.getresponse().read()
            begin = os.path.getsize(log)
            for _ in range(count):
                client.request("GET", "/" + name)
                client.getresponse().read()
            names = names_of(begin)
            # Once a second an answer is compared with its file, and gets a new date.
            for call, most in (("recvfrom", count * 1.1), ("sendto", count * 1.1), ("openat2", 20)):
                self.assertLessEqual(names.count(call), most, call)
            for call in sends:
                self.assertIn(names.count(call), range(count - 1, int(count * 1.1)), call)
            self.assertEqual(names.count("sendfile"), 0)
        client.close()

    def test_a_slow_client_gets_all_while_others_are_served(self):
        self.start_site()
        self.sparse("large")
        self.put("small", "x")
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.settimeout(PATIENCE)
            slow.connect(("127.0.0.1", self.site.port))
            slow.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            got = len(slow.recv(1000))
            for _ in range(20):
                self.assertEqual(self.fetch("/small")[0], 200)
                got += len(slow.recv(1000))
            while piece := slow.recv(1 << 20):
                got += len(piece)
        self.assertGreater(got, LARGE)

    def test_clients_that_vanish_leave_nothing_open(self):
        self.start_site()
        self.sparse("large")
        self.put("small", "x")
        self.fetch("/small")
        for _ in range(50):
            s = peers.tcp(self.site.port)
            s.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            s.recv(1000)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()  # a reset
        self.assertTrue(until(lambda: sockets(self.site.pid) == 1))
        self.assertEqual(self.fetch("/small")[0], 200)


class Confinement(Files):
    """Each line of the table is a way out of the folder, or to what is no file."""

    OUT = [  # target, status
        # a parent, in all its spellings: decoded once, then refused
        (b"/../secret", 404), (b"/sub/../../secret", 404), (b"/%2e%2e/secret", 404),
        (b"/%2E%2e/secret", 404), (b"/.%2e/secret", 404), (b"/sub/%2e%2e/%2e%2e/secret", 404),
        (b"/..", 404), (b"/sub/..", 404), (b"/%252e%252e/secret", 404), (b"/..;/secret", 404),
        (b"/%u002e%u002e/secret", 400), (b"/%c0%ae%c0%ae/secret", 404),
        (b"/\xc0\xae\xc0\xae/secret", 400),
        # an encoded slash, backslash or NUL never reaches the file system
        (b"/sub%2f..%2f..%2fsecret", 400), (b"/%2fetc/passwd", 400), (b"/sub%2Fa", 400),
        (b"/a%00", 400), (b"/a%00.html", 400), (b"/sub%5c..%5c..%5csecret", 400),
        (b"/%", 400), (b"/%zz", 400), (b"/a%2", 400), (b"/%0a", 400), (b"/%7f", 400),
        # an absolute path is beneath the root, too
        (b"//etc/passwd", 404), (b"/etc/passwd", 404), (b"/proc/self/environ", 404),
        # links
        (b"/out", 404), (b"/out-file", 404), (b"/out/passwd", 404), (b"/up/secret", 404),
        (b"/magic", 404), (b"/magic/etc/passwd", 404), (b"/loop", 404), (b"/dangling", 404),
        (b"/in", 200), (b"/in-folder/a", 200), (b"/back", 200),
        # names that begin with a dot
        (b"/.git/config", 404), (b"/.env", 404), (b"/sub/.hidden", 404), (b"/%2eenv", 404),
        # what is no regular file
        (b"/fifo", 404), (b"/socket", 404), (b"/null", 404), (b"/zero", 404),
        # plain ones
        (b"/a", 200), (b"/./a", 200), (b"//a", 200), (b"/%61", 200), (b"/a/", 404),
        (b"/a?../../secret", 200), (b"/sub", 301), (b"/sub/", 200), (b"/" + b"x" * 300, 404),
        (b"/" + b"x/" * 3000, 404),
    ]

    def setUp(self):
        super().setUp()
        self.file("secret", "secret")
        for name in ("a", "sub/a", ".git/config", ".env", "sub/.hidden"):
            self.put(name, "public")
        for link, target in {
            "out": "/etc", "out-file": "../secret", "up": "..", "magic": "/proc/self/root",
            "loop": "loop", "dangling": "none", "in": "a", "in-folder": "sub",
            "back": "sub/../a", "null": "/dev/null", "zero": "/dev/zero",
        }.items():
            os.symlink(target, os.path.join(self.root, link))
        os.mkfifo(os.path.join(self.root, "fifo"))
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(os.path.join(self.root, "socket"))

    def assertTable(self, table):
        for target, wanted in table:
            for _ in range(3):  # also from a ready answer
                status, head, body = self.fetch(target)
                self.assertEqual(status, wanted, (target, head))
                self.assertNotIn(b"secret", body, target)
                self.assertNotIn(b"root:", body, target)

    def test_no_path_leads_out_of_the_folder(self):
        self.start_site()
        self.assertTable(self.OUT)

    def test_no_path_leads_out_of_a_mount(self):
        self.start_site("/static/*")
        self.assertTable([(b"/static" + t, s) for t, s in self.OUT if not t.startswith(b"/..")])
        self.assertTable([(b"/static../secret", 404), (b"/static/../secret", 404),
                          (b"/statica", 404), (b"/a", 404), (b"/static", 308)])

    def test_a_device_is_not_read(self):
        if os.geteuid() != 0:
            self.skipTest("only root makes devices")
        try:
            os.mknod(os.path.join(self.root, "device"), 0o020666, os.makedev(1, 5))
        except PermissionError:
            self.skipTest("devices cannot be made here")
        self.start_site()
        self.assertEqual(self.fetch("/device")[0], 404)

    def test_a_file_that_nobody_may_read_is_403(self):
        os.chmod(self.put("private", "secret"), 0)
        self.start_site()
        wanted = 200 if os.geteuid() == 0 else 403
        self.assertEqual(self.fetch("/private")[0], wanted)

    def test_a_file_whose_size_lies_ends_the_connection_or_is_empty(self):
        """Files of /proc say that they have no bytes; reading must not go on for ever."""
        self.root = "/proc/self"
        self.start_site()
        status, head, body = self.fetch("/status")
        self.assertEqual((status, body), (200, b""), head)

    def test_a_link_that_swings_never_shows_what_is_outside(self):
        self.start_site()
        path, new = os.path.join(self.root, "swing"), os.path.join(self.root, "swing.new")
        stop = threading.Event()

        def swing():
            while not stop.is_set():
                for target in ("a", "../secret"):
                    os.symlink(target, new)
                    os.rename(new, path)

        thread = threading.Thread(target=swing)
        thread.start()
        try:
            seen = [self.fetch("/swing")[::2] for _ in range(300)]
        finally:
            stop.set()
            thread.join()
        self.assertLessEqual({status for status, _ in seen}, {200, 404})
        self.assertLessEqual({body for status, body in seen if status == 200}, {b"public"})


class Changes(Files):
    """A file that changes while it is sent. The rest of it cannot leave before the client
    reads: it is larger than all buffers on the way."""

    def begin(self):
        self.path = self.sparse("large")
        self.put("small", "x")
        self.start_site()
        s = peers.tcp(self.site.port)
        self.addCleanup(s.close)
        s.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\nGET /small HTTP/1.0\r\n\r\n")
        said = b""
        while b"\r\n\r\n" not in said:
            said += s.recv(1000)
        self.assertIn(b"Content-Length: %d\r\n" % LARGE, said)
        return s, len(said.partition(b"\r\n\r\n")[2])

    def rest(self, s, got):
        """All that comes: the number of bytes, and the last of them."""
        tail = b""
        while piece := s.recv(1 << 20):
            got += len(piece)
            tail = (tail + piece)[-1000:]
        return got, tail

    def assertWhole(self, s, got):
        got, tail = self.rest(s, got)
        head, _, body = tail[tail.index(b"HTTP/1.1 200") :].partition(b"\r\n\r\n")
        self.assertEqual(body, b"x")
        self.assertEqual(got - len(head) - 4 - 1, LARGE)
        self.assertEqual(self.fetch("/small")[0], 200)

    def test_a_truncated_file_ends_the_connection(self):
        s, got = self.begin()
        os.truncate(self.path, 0)
        got, tail = self.rest(s, got)
        self.assertLess(got, LARGE)
        self.assertNotIn(b"HTTP/1.1", tail)  # the next answer would be taken for the file
        self.assertEqual(self.fetch("/small")[0], 200)
        self.assertEqual(self.fetch("/large")[2], b"")

    def test_of_a_grown_file_only_the_promised_bytes_are_sent(self):
        s, got = self.begin()
        with open(self.path, "ab") as f:
            f.write(b"HTTP/1.1 999 grown" * 100000)
        self.assertWhole(s, got)

    def test_a_replaced_file_is_sent_to_its_end(self):
        s, got = self.begin()
        os.rename(self.put("new", "new"), self.path)
        self.assertWhole(s, got)
        self.assertEqual(self.fetch("/large")[2], b"new")

    def test_a_deleted_file_is_sent_to_its_end(self):
        s, got = self.begin()
        os.remove(self.path)
        self.assertWhole(s, got)
        self.assertEqual(self.fetch("/large")[0], 404)

    def test_each_change_shows_in_the_next_answer(self):
        """Fast and from another process, over kept and over new connections."""
        self.start_site()
        path = self.put("a", "0")
        kept = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=PATIENCE)
        for i in range(300):
            if i % 3 == 0:
                os.rename(self.put("new", str(i)), path)
            elif i % 3 == 1:
                self.put("a", str(i))
            else:
                with open(path, "r+b") as f:
                    f.write(str(i).encode())
                    f.truncate()
            self.assertEqual(self.fetch("/a")[2], str(i).encode())
            for _ in range(3):
                kept.request("GET", "/a")
                self.assertEqual(kept.getresponse().read(), str(i).encode())
        kept.close()


PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><link rel="stylesheet" href="style.css"></head>
<body><h1 id="title">ação</h1><img id="image" src="images/blue.png">
<script src="script.js"></script></body></html>
"""
STYLE = "body { background: rgb(255, 0, 0); margin: 0 } #title { color: rgb(0, 128, 0) }"
SCRIPT = """
window.addEventListener("load", async () => {
  const title = document.getElementById("title"), image = document.getElementById("image");
  const data = await (await fetch("data.json")).json();
  title.textContent = [getComputedStyle(title).color, image.naturalWidth, data.word].join(" | ");
});
"""


def png(width, height, color):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + bytes(color) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def pixels(data):
    """The width, the height, and a function (x, y) -> (r, g, b) of a PNG file."""
    at, packed = 8, b""
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        if name == b"IHDR":
            width, height, depth, kind = struct.unpack(">IIBB", body[:10])
        elif name == b"IDAT":
            packed += body
        at += size + 12
    assert depth == 8 and kind in (2, 6)
    step, raw, rows = (3 if kind == 2 else 4), zlib.decompress(packed), []
    above = bytearray(width * step)
    for y in range(height):
        begin = y * (width * step + 1)
        row = bytearray(raw[begin + 1 : begin + 1 + width * step])
        unfilter(raw[begin], row, above, step)
        rows.append(row)
        above = row
    return width, height, lambda x, y: tuple(rows[y][x * step : x * step + 3])


def unfilter(kind, row, above, step):
    for i in range(len(row)):
        left = row[i - step] if i >= step else 0
        up, corner = above[i], above[i - step] if i >= step else 0
        if kind == 4:  # whichever is nearest to their sum, Paeth's way
            guess = left + up - corner
            near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                       (abs(guess - corner), 2, corner))[2]
        else:
            near = (0, left, up, (left + up) // 2)[kind]
        row[i] = (row[i] + near) & 255


class Browser(Files):
    def chromium(self, *words):
        self.need("chromium")
        home = os.path.join(self.folder, "chromium")
        return self.run_program(
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={home}",
            "--virtual-time-budget=10000", *words, patience=100, env={**os.environ, "HOME": home})

    @harness.slow
    def test_a_page_looks_as_it_should_in_chromium(self):
        self.need("chromium")
        url = self.start_site()
        self.put("index.html", PAGE)
        self.put("style.css", STYLE)
        self.put("script.js", SCRIPT)
        self.put("data.json", '{"word": "caf\\u00e9"}')
        self.put("images/blue.png", png(40, 30, (0, 0, 255)))
        dom = self.chromium("--dump-dom", f"{url}/")
        self.assertIn("rgb(0, 128, 0) | 40 | café</h1>", dom.out, dom)
        shot = os.path.join(self.folder, "shot.png")
        self.chromium(f"--screenshot={shot}", "--window-size=400,300", f"{url}/")
        with open(shot, "rb") as f:
            width, height, at = pixels(f.read())
        seen = {at(x, y) for x in range(0, width, 5) for y in range(0, height, 5)}
        self.assertEqual(at(width - 10, height - 10), (255, 0, 0))
        self.assertIn((0, 0, 255), seen)
        self.assertTrue(any(r < 128 and 0 < g and b < 128 for r, g, b in seen))
