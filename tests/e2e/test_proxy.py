"""07-proxy.lua between programs of other people and servers of Python's own."""

import hashlib
import os
import socket
import subprocess
import threading

import harness
import peers
from harness import Case, descriptors, until


def blob(size, seed):
    return hashlib.shake_128(seed.encode()).digest(size)


class Proxy(Case):
    def proxy(self, target, host="127.0.0.1"):
        port = target if isinstance(target, int) else target.port
        return self.listening(self.soquete("07-proxy.lua", "0", host, port))

    def answering(self, answer, count=1):
        """A server that runs answer(connection) for each of `count` clients."""

        def serve(listener):
            listener.listen(256)
            threads = []
            for _ in range(count):
                conn = listener.accept()[0]
                conn.settimeout(60)
                thread = threading.Thread(target=answer, args=(conn,))
                thread.start()
                threads.append(thread)
            for thread in threads:
                thread.join()

        return peers.Server(self, serve)

    def test_passes_a_question_and_its_answer(self):
        proxy = self.proxy(self.serve("02-tcp-server.lua"))
        result = self.client("02-tcp-client.lua", proxy, "ação\n")
        self.assertReplies(result, "AÇÃO")
        proxy.says(" bytes there, 6 back\n")

    def test_curl_fetches_a_large_file_through_it(self):
        self.need("curl")
        data = blob(20_000_000, "file")
        self.file("large.bin", data)
        web = self.start(
            "python3", "-u", "-m", "http.server", "-b", "127.0.0.1", "-d", self.folder, "0", text=False
        )
        port = web.out.wait(lambda all: " port " in all and int(all.split(" port ")[1].split()[0]))
        proxy = self.proxy(port)
        path = os.path.join(self.folder, "got.bin")
        result = self.run_program("curl", "-sS", "-o", path, f"http://127.0.0.1:{proxy.port}/large.bin")
        self.assertEqual(result.status, 0, result)
        with open(path, "rb") as f:
            self.assertEqual(hashlib.sha256(f.read()).digest(), hashlib.sha256(data).digest())

    def test_nc_ends_its_side_and_still_hears_the_answer(self):
        self.need("nc")

        def answer(conn):
            with conn:
                conn.sendall(b"you said: " + peers.read_all(conn))

        proxy = self.proxy(self.answering(answer))
        result = self.run_program("nc", "-N", "127.0.0.1", proxy.port, text="all of it\n")
        self.assertEqual(result.out, "you said: all of it\n")
        proxy.says(": 10 bytes there, 20 back\n")

    def test_a_server_that_ends_first_still_hears_its_client(self):
        heard = []

        def answer(conn):
            with conn:
                conn.sendall(b"banner")
                conn.shutdown(socket.SHUT_WR)
                heard.append(peers.read_all(conn))

        proxy = self.proxy(self.answering(answer))
        with peers.tcp(proxy.port) as s:
            self.assertEqual(peers.read_all(s), b"banner")
            s.sendall(b"after the end")
        proxy.says(": 13 bytes there, 6 back\n")
        self.assertTrue(until(lambda: heard))
        self.assertEqual(heard, [b"after the end"])

    def test_bytes_agree_both_ways_at_once(self):
        up, down = blob(30_000_000, "up"), blob(20_000_000, "down")
        heard = []

        def answer(conn):
            with conn:
                sender = threading.Thread(target=conn.sendall, args=(down,))
                sender.start()
                heard.append(peers.read_all(conn))
                sender.join()

        proxy = self.proxy(self.answering(answer))
        with peers.tcp(proxy.port) as s:
            sender = threading.Thread(target=lambda: (s.sendall(up), s.shutdown(socket.SHUT_WR)))
            sender.start()
            self.assertEqual(hashlib.sha256(peers.read_all(s)).digest(), hashlib.sha256(down).digest())
            sender.join()
        proxy.says(f": {len(up)} bytes there, {len(down)} back\n")
        self.assertTrue(until(lambda: heard))
        self.assertEqual(hashlib.sha256(heard[0]).digest(), hashlib.sha256(up).digest())

    def test_a_slow_reader_slows_the_sender_and_costs_no_memory(self):
        may_read = threading.Event()
        sizes = []

        def answer(conn):
            with conn:
                may_read.wait(60)
                sizes.append(len(peers.read_all(conn)))

        proxy = self.proxy(self.answering(answer))
        before = self.resident(proxy.pid)
        sent = 0
        with peers.tcp(proxy.port) as s:
            s.settimeout(0.5)
            piece = b"x" * 1_000_000
            try:
                while sent < 200_000_000:
                    sent += s.send(piece)
            except TimeoutError:
                pass
            self.assertLess(sent, 100_000_000)
            self.assertLess(self.resident(proxy.pid) - before, 20_000_000)
            may_read.set()
        proxy.says(f": {sent} bytes there, 0 back\n")
        self.assertTrue(until(lambda: sizes))
        self.assertEqual(sizes, [sent])

    def resident(self, pid):
        with open(f"/proc/{pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def test_a_target_that_refuses_is_named_and_the_client_let_go(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))  # bound, and nobody listens
            proxy = self.proxy(s.getsockname()[1])
            with peers.tcp(proxy.port) as client:
                self.assertEqual(client.recv(1), b"")
            proxy.complains("ECONNREFUSED")
            self.assertTrue(proxy.is_running())

    def test_a_bad_target_port_is_refused_at_the_start(self):
        for bad in ("http", "99999", "-1"):
            result = self.run_soquete("07-proxy.lua", "0", "127.0.0.1", bad)
            self.assertEnds(result, 1, err=f"'{bad}'")
            self.assertEqual(result.out, "")

    def test_a_bad_target_is_refused_at_the_start(self):
        for bad in ("", "two words", "a:b", "::1:", harness.UNKNOWN_NAME):
            result = self.run_soquete("07-proxy.lua", "0", bad, "12000")
            self.assertEnds(result, 1, err=f"getaddrinfo {bad}".strip())
            self.assertEqual(result.out, "")

    def test_two_hundred_connections_at_once(self):
        def answer(conn):
            with conn:
                conn.sendall(peers.read_all(conn)[::-1])

        proxy = self.proxy(self.answering(answer, 200))
        start = descriptors(proxy.pid)
        clients = [peers.tcp(proxy.port) for _ in range(200)]
        self.assertTrue(until(lambda: descriptors(proxy.pid) >= start + 400))
        for i, s in enumerate(clients):
            s.sendall(b"client %d" % i)
            s.shutdown(socket.SHUT_WR)
        for i, s in enumerate(clients):
            self.assertEqual(peers.read_all(s), (b"client %d" % i)[::-1])
            s.close()
        self.assertTrue(until(lambda: descriptors(proxy.pid) == start))

    def test_a_client_that_vanishes_resets_the_target(self):
        outcome = []

        def answer(conn):
            with conn:
                try:
                    outcome.append(peers.read_all(conn))
                except ConnectionResetError:
                    outcome.append("reset")

        proxy = self.proxy(self.answering(answer))
        start = descriptors(proxy.pid)
        s = peers.tcp(proxy.port)
        s.sendall(b"half a ques")
        self.assertTrue(until(lambda: descriptors(proxy.pid) > start))
        peers.reset(s)
        proxy.complains("ECONNRESET")
        self.assertTrue(until(lambda: outcome))
        self.assertEqual(outcome, ["reset"])
        self.assertTrue(until(lambda: descriptors(proxy.pid) == start))

    def test_socat_speaks_through_two_proxies(self):
        self.need("socat")
        far = self.serve("06-line-server.lua")
        proxy = self.proxy(self.proxy(far))
        result = subprocess.run(
            ["socat", "-t30", "-", f"TCP:127.0.0.1:{proxy.port}"],
            input=b"one\ntwo\n", capture_output=True, timeout=60,
        )
        self.assertEqual(result.stdout, b"ONE\nTWO\n")
