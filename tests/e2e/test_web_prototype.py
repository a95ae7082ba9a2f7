"""03-web-server.lua and its concurrent twin, against curl, Python, and bytes by hand. Each
thing that the lecture's slides get wrong is a test here."""

import http.client
import os
import socket
import subprocess

import peers
from harness import SCRIPTS, Case, slow, until

ITERATIVE, CONCURRENT = "03-web-server.lua", "03-web-server-concurrent.lua"
PAGE = "<p>ação</p>\n".encode()


class Web(Case):
    def setUp(self):
        super().setUp()
        self.need_files()
        self.put("index.html", PAGE)

    def site(self):
        return os.path.join(self.folder, "site")

    def put(self, name, data):
        return self.file(os.path.join("site", name), data)

    def start_server(self, script=ITERATIVE, host="127.0.0.1"):
        return self.serve(script, host, cwd=self.site())

    def answer(self, server, request, host="127.0.0.1"):
        """What the server says to these bytes, until it ends; the sender does not."""
        with peers.tcp(server.port, host) as s:
            s.sendall(request)
            return peers.read_all(s)

    def get(self, server, target):
        return self.answer(server, f"GET {target} HTTP/1.0\r\n\r\n".encode())

    def assertIs(self, reply, status, body=None):
        head, blank, rest = reply.partition(b"\r\n\r\n")
        self.assertTrue(blank, reply)
        self.assertEqual(head.split(b"\r\n")[0], b"HTTP/1.0 " + status.encode())
        self.assertIn(b"Content-Length: %d" % len(rest), head.split(b"\r\n"))
        self.assertEqual(rest, (status + "\n").encode() if body is None else body)

    def assertUnharmed(self, server):
        self.assertIs(self.get(server, "/index.html"), "200 OK", PAGE)


class Clients(Web):
    def test_answers_curl(self):
        self.need("curl")
        for script in (ITERATIVE, CONCURRENT):
            url = f"http://127.0.0.1:{self.start_server(script).port}/index.html"
            result = self.run_program("curl", "-isS", "--max-time", "20", url)
            head = (
                "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n"
                f"Content-Length: {len(PAGE)}\r\n\r\n"
            )
            self.assertEqual(result.out, head + PAGE.decode())
            self.assertEnds(result, 0)

    def test_answers_python_and_closes(self):
        for script in (ITERATIVE, CONCURRENT):
            server = self.start_server(script)
            client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            client.request("GET", "/index.html")
            response = client.getresponse()
            self.assertEqual((response.status, response.read()), (200, PAGE))
            self.assertTrue(response.will_close)
            client.close()

    def test_answers_over_ipv6(self):
        server = self.start_server(host="::1")
        request = b"GET /index.html HTTP/1.0\r\n\r\n"
        self.assertIs(self.answer(server, request, "::1"), "200 OK", PAGE)

    def test_sends_a_large_file_whole(self):
        data = os.urandom(5_000_000)
        self.put("large", data)
        for script in (ITERATIVE, CONCURRENT):
            self.assertIs(self.get(self.start_server(script), "/large"), "200 OK", data)

    def test_sends_an_empty_file(self):
        self.put("empty.css", b"")
        self.assertIs(self.get(self.start_server(), "/empty.css"), "200 OK", b"")

    def test_the_twins_differ_by_one_line(self):
        def code(name):
            with open(os.path.join(SCRIPTS, name)) as f:
                return f.read().partition("\nlocal net")[2].splitlines()

        pairs = list(zip(code(ITERATIVE), code(CONCURRENT), strict=True))
        accepted = "assert(server:accept()))"
        differing = [(a.strip(), b.strip()) for a, b in pairs if a != b]
        self.assertEqual(differing, [("handle(" + accepted, "net.spawn(handle, " + accepted)])

    def test_names_the_holder_of_a_busy_port(self):
        first = self.start_server()
        second = self.run_soquete(ITERATIVE, first.port, "127.0.0.1")
        self.assertEnds(second, 1, err=f"pid {first.pid}")


class Repairs(Web):
    def test_each_header_line_ends_with_crlf(self):
        head = self.get(self.start_server(), "/index.html").partition(b"\r\n\r\n")[0]
        self.assertEqual(
            head.split(b"\r\n"),
            [b"HTTP/1.0 200 OK", b"Content-Type: text/html", b"Content-Length: %d" % len(PAGE)],
        )
        self.assertNotIn(b"\n", head.replace(b"\r\n", b""))

    def test_a_404_has_a_blank_line_and_a_body(self):
        os.mkdir(os.path.join(self.site(), "folder"))
        os.mkfifo(os.path.join(self.site(), "fifo"))
        server = self.start_server()
        for target in ("/none.html", "/", "/folder", "/fifo", "/index.html/x", "/a%00b"):
            with self.subTest(target):
                self.assertIs(self.get(server, target), "404 Not Found")

    def test_other_methods_are_answered(self):
        server = self.start_server()
        for method in ("POST", "PUT", "DELETE", "HEAD", "get", "OPTIONS"):
            with self.subTest(method):
                request = f"{method} /index.html HTTP/1.0\r\n\r\n".encode()
                self.assertIs(self.answer(server, request), "501 Not Implemented")

    def test_nothing_outside_the_folder_is_served(self):
        self.file("secret", "outside\n")
        os.symlink("../secret", os.path.join(self.site(), "link"))
        os.symlink("/etc", os.path.join(self.site(), "etc"))
        os.mkdir(os.path.join(self.site(), "sub"))
        server = self.start_server()
        for target in (
            "../secret",
            "/../secret",
            "/sub/../../secret",
            "/%2e%2e/secret",
            "/%2E%2e%2fsecret",
            "/..%2fsecret",
            "/%252e%252e/secret",
            "//etc/passwd",
            "/link",
            "/etc/passwd",
            "/..\\secret",
        ):
            with self.subTest(target):
                self.assertIs(self.get(server, target), "404 Not Found")

    def test_a_path_that_stays_inside_is_served(self):
        os.mkdir(os.path.join(self.site(), "sub"))
        os.symlink("index.html", os.path.join(self.site(), "near.html"))
        server = self.start_server()
        for target in ("/sub/../index.html", "//index.html", "index.html", "/near.html"):
            with self.subTest(target):
                self.assertIs(self.get(server, target), "200 OK", PAGE)

    def test_a_query_does_not_hide_the_file(self):
        server = self.start_server()
        for target in ("/index.html?", "/index.html?a=1&b=/../x", "/index.html?a?b"):
            with self.subTest(target):
                self.assertIs(self.get(server, target), "200 OK", PAGE)

    def test_escaped_names_are_found(self):
        self.put("ação 100%.txt", b"escaped\n")
        target = "/a%C3%A7%c3%a3o%20100%25.txt"
        self.assertIs(self.get(self.start_server(), target), "200 OK", b"escaped\n")

    def test_the_type_comes_from_the_suffix_and_its_dot(self):
        server = self.start_server()
        for name, kind in (
            ("a.jpg", "image/jpeg"),
            ("a.gif", "image/gif"),
            ("a.html", "text/html"),
            ("a.js", "text/javascript"),
            ("a.css", "text/css"),
            ("a.b.css", "text/css"),
            ("a.txt", "application/octet-stream"),
            ("ajpg", "application/octet-stream"),
            ("xhtml", "application/octet-stream"),
            ("jpg", "application/octet-stream"),
            ("a.jpg.", "application/octet-stream"),
            ("d.css/a", "application/octet-stream"),
        ):
            with self.subTest(name):
                self.put(name, b"x")
                reply = self.get(server, "/" + name)
                self.assertIn(f"\r\nContent-Type: {kind}\r\n".encode(), reply)

    def test_files_and_sockets_are_closed(self):
        for script in (ITERATIVE, CONCURRENT):
            server = self.start_server(script)
            self.assertUnharmed(server)
            folder = f"/proc/{server.pid}/fd"
            before = len(os.listdir(folder))
            for target in ("/index.html", "/none", "/../x") * 5:
                self.get(server, target)
            self.assertTrue(until(lambda: len(os.listdir(folder)) <= before))

    def test_a_request_line_that_is_none_is_answered(self):
        server = self.start_server()
        for line in (b"", b" ", b"GET", b"\0\xff", b"GET "):
            with self.subTest(line):
                self.assertIs(self.answer(server, line + b"\r\n\r\n"), "400 Bad Request")
        self.assertUnharmed(server)

    def test_a_client_that_says_nothing_and_goes_is_no_matter(self):
        server = self.start_server()
        peers.tcp(server.port).close()
        with peers.tcp(server.port) as s:
            s.sendall(b"GET /ind")
            s.shutdown(socket.SHUT_WR)
            peers.read_all(s)
        peers.reset(peers.tcp(server.port))
        self.assertUnharmed(server)

    def test_a_request_without_a_blank_line_is_answered_at_its_end(self):
        reply = peers.ask_tcp(self.start_server().port, b"GET /index.html HTTP/1.0\r\n")
        self.assertIs(reply, "200 OK", PAGE)

    def test_a_bare_newline_ends_a_line_too(self):
        request = b"GET /index.html HTTP/1.0\n\n"
        self.assertIs(self.answer(self.start_server(), request), "200 OK", PAGE)

    def test_the_reply_survives_a_request_with_many_lines(self):
        server = self.start_server()
        lines = b"".join(b"X-Line-%d: %s\r\n" % (i, b"x" * 50) for i in range(5000))
        request = b"GET /index.html HTTP/1.0\r\n" + lines + b"\r\n"
        for _ in range(20):
            self.assertIs(self.answer(server, request), "200 OK", PAGE)

    def test_the_reply_survives_a_body_that_nobody_wants(self):
        server = self.start_server()
        body = b"x" * 1_000_000
        request = b"POST /form HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for _ in range(20):
            self.assertIs(self.answer(server, request), "501 Not Implemented")

    def test_a_client_that_vanishes_in_mid_file_is_no_matter(self):
        self.put("large", b"x" * 20_000_000)
        server = self.start_server()
        with peers.tcp(server.port) as s:
            s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            s.recv(1000)
            peers.reset(s)
        self.assertUnharmed(server)
        self.assertTrue(server.is_running())

    def test_goes_on_when_nobody_reads_its_output_and_a_client_vanishes(self):
        self.put("large", b"x" * 20_000_000)
        ours, theirs = os.pipe()
        server = self.soquete(ITERATIVE, 0, "127.0.0.1", cwd=self.site(), stdout=theirs)
        os.close(theirs)
        with open(ours) as output:
            server.port = int(output.readline().rpartition(":")[2])
        for _ in range(5):
            with peers.tcp(server.port) as s:
                s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
                s.shutdown(socket.SHUT_WR)  # tcp(7): then a reset reads EPIPE, and signals
                s.recv(1000)
                peers.reset(s)
            self.assertUnharmed(server)

    def test_a_file_that_shrinks_ends_the_reply_early(self):
        path = self.put("large", b"x" * 40_000_000)
        server = self.start_server()
        with peers.tcp(server.port) as s:
            s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            s.recv(1000)
            os.truncate(path, 5)
            self.assertLess(len(peers.read_all(s)), 40_000_000)
        server.complains("truncated")
        self.assertUnharmed(server)


class Silence(Web):
    def test_a_silent_client_does_not_stop_the_concurrent_server(self):
        server = self.start_server(CONCURRENT)
        with peers.tcp(server.port), peers.tcp(server.port) as slow_one:
            slow_one.sendall(b"GET /index.html HT")
            self.assertUnharmed(server)
            slow_one.sendall(b"TP/1.0\r\n\r\n")
            self.assertIs(peers.read_all(slow_one), "200 OK", PAGE)

    def test_a_reader_that_stands_still_does_not_stop_the_concurrent_server(self):
        self.put("large", b"x" * 20_000_000)
        server = self.start_server(CONCURRENT)
        with peers.tcp(server.port) as s:
            s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            self.assertTrue(s.recv(1000))
            self.assertUnharmed(server)

    @slow
    def test_a_silent_client_has_its_ten_seconds_with_the_other(self):
        server = self.start_server(ITERATIVE)
        with peers.tcp(server.port) as silent:
            self.assertUnharmed(server)
            self.assertEqual(peers.read_all(silent), b"")
        server.complains("timeout")


class Standalone(Web):
    def test_runs_as_its_header_says(self):
        for script in (ITERATIVE, CONCURRENT):
            text = subprocess.run(
                self.command("help", script), capture_output=True, text=True, check=True
            ).stdout
            self.assertIn(f"{script} [PORT [HOST]]", text)
