"""The course's scripts and OpenBSD's nc, both ways."""

import re

from harness import Case


class Netcat(Case):
    def setUp(self):
        super().setUp()
        self.need("nc")
        if "OpenBSD" not in self.run_program("nc", "-h").err:
            self.skipTest("nc is not OpenBSD's")

    def nc(self, server, text, *options):
        return self.run_program("nc", *options, "127.0.0.1", server.port, text=text).out

    def listening_nc(self, *options):
        nc = self.start("nc", "-v", *options, "-l", "127.0.0.1", "0")
        pattern = re.compile(r"(?:Listening|Bound) on \S+ (\d+)\n")
        nc.port = int(nc.err.wait(pattern.search).group(1))
        return nc

    def test_nc_is_served_over_udp(self):
        server = self.serve("01-udp-server.lua")
        self.assertEqual(self.nc(server, "ação", "-u", "-w1"), "AÇÃO")

    def test_nc_is_served_over_tcp(self):
        for script in ("02-tcp-server.lua", "02-tcp-server-concurrent.lua"):
            server = self.serve(script)
            self.assertEqual(self.nc(server, "ação\n", "-N"), "AÇÃO\n")
            self.assertEqual(self.nc(server, "", "-N"), "")

    def test_nc_is_served_line_by_line(self):
        server = self.serve("06-line-server.lua")
        self.assertEqual(self.nc(server, "one\nação\n", "-N"), "ONE\nAÇÃO\n")

    def test_nc_answers_the_udp_client(self):
        nc = self.listening_nc("-u")
        client = self.soquete("01-udp-client.lua", "127.0.0.1", nc.port)
        client.type("question\n")
        nc.says("question")
        nc.type("typed by hand")
        client.says(f"From Server 127.0.0.1:{nc.port}: typed by hand\n")
        self.assertEqual(client.ends(), 0)

    def test_nc_answers_the_tcp_client(self):
        nc = self.listening_nc()
        client = self.soquete("02-tcp-client.lua", "127.0.0.1", nc.port)
        client.says("Input lowercase sentence: ")
        nc.type("typed by hand\n")  # before the question: nc ends when its peer does
        client.type("question\n")
        nc.says("question")
        client.says("From Server: typed by hand\n")
        self.assertEqual(client.ends(), 0)

    def test_nc_answers_the_line_client(self):
        nc = self.listening_nc()
        client = self.soquete("06-line-client.lua", "127.0.0.1", nc.port)
        for i in (1, 2):
            client.type(f"question {i}\n")
            nc.says(f"question {i}\n")
            nc.type(f"answer {i}\n")
            client.says(f"From Server: answer {i}\n")
        client.end_input()
        self.assertEqual(client.ends(), 0)
