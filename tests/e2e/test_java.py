"""The course's scripts and Java programs of the lecture's shape, both ways. ASCII only:
`writeBytes` drops the high byte of each character, so it breaks "ç" by itself."""

import peers
from harness import Case


class Java(Case):
    def java(self, name, server, text):
        return self.run_program(*peers.java(name, "127.0.0.1", server.port), text=text).out

    def serve_java(self, name):
        return self.listening(self.start(*peers.java(name)))

    def test_the_udp_client_is_served(self):
        server = self.serve("01-udp-server.lua")
        self.assertEqual(self.java("UDPClient", server, "hello\n"), "FROM SERVER: HELLO\n")

    def test_the_tcp_client_is_served_by_every_tcp_server(self):
        for script in ("06-line-server.lua", "02-tcp-server.lua", "02-tcp-server-concurrent.lua"):
            server = self.serve(script)
            self.assertEqual(self.java("TCPClient", server, "hello\n"), "FROM SERVER: HELLO\n")

    def test_the_udp_server_answers(self):
        server = self.serve_java("UDPServer")
        for sentence in ("hello", "again"):
            result = self.client("01-udp-client.lua", server, sentence + "\n")
            self.assertReplies(result, sentence.upper())

    def test_the_tcp_server_answers(self):
        server = self.serve_java("TCPServer")
        self.assertReplies(self.client("06-line-client.lua", server, "hello\n"), "HELLO")
        self.assertReplies(self.client("02-tcp-client.lua", server, "again\n"), "AGAIN")

    def test_the_tcp_server_hangs_up_after_one_line(self):
        server = self.serve_java("TCPServer")
        result = self.client("06-line-client.lua", server, "one\ntwo\n")
        self.assertEnds(result, 1, out="From Server: ONE\n")
