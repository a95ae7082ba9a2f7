"""Families, ports and Unix sockets, as other programs see them."""

import os
import socket

import peers
from harness import PATIENCE, Case


class Ports(Case):
    def test_one_port_serves_tcp_and_udp(self):
        tcp = self.serve("02-tcp-server.lua")
        udp = self.listening(self.soquete("01-udp-server.lua", tcp.port, "127.0.0.1"))
        self.assertEqual(udp.port, tcp.port)
        self.assertEqual(peers.ask_tcp(tcp.port, b"stream"), b"STREAM")
        self.assertEqual(peers.ask_udp(tcp.port, b"datagram"), b"DATAGRAM")

    def test_two_servers_on_one_port_are_refused(self):
        for script in ("01-udp-server.lua", "02-tcp-server.lua", "06-line-server.lua"):
            first = self.serve(script)
            second = self.run_soquete(script, first.port, "127.0.0.1")
            self.assertEnds(second, 1, err=f"127.0.0.1:{first.port}")
            self.assertIn("EADDRINUSE", second.err)

    def test_a_port_that_another_program_holds_names_that_program(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            result = self.run_soquete("02-tcp-server.lua", holder.getsockname()[1], "127.0.0.1")
        self.assertEnds(result, 1, err=f"pid {os.getpid()}")

    def test_source_ports_tell_clients_apart(self):
        code = """
        local net = require "net"
        local server <close> = net.listen("127.0.0.1:0")
        print("listening on " .. server:getsockname())
        for _ = 1, 2 do
          local conn <close>, peer = server:accept()
          conn:send(tostring(peer))
        end
        """
        server = self.listening(self.soquete(self.file("main.lua", code)))
        for _ in range(2):
            with peers.tcp(server.port) as s:
                own = "127.0.0.1:%d" % s.getsockname()[1]
                self.assertEqual(peers.read_all(s).decode(), own)


class Families(Case):
    ECHO = """
    local net = require "net"
    local server <close> = assert(net.listen(arg[1]))
    print("listening on " .. server:getsockname())
    net.serve(server, function(conn, peer)
      conn:send(peer.host .. " said ")
      for piece in conn:pieces() do conn:send(piece) end
    end)
    """

    def echo(self, address):
        return self.listening(self.soquete(self.file("main.lua", self.ECHO), address))

    def test_an_empty_host_takes_both(self):
        self.need_ipv6()
        server = self.echo(":0")
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(peers.ask_tcp(server.port, b"hi", host).decode(), f"{host} said hi")

    def test_an_address_of_ipv4_takes_that_alone(self):
        self.need_ipv6()
        server = self.echo("127.0.0.1:0")
        self.assertEqual(peers.ask_tcp(server.port, b"hi"), b"127.0.0.1 said hi")
        with self.assertRaises(ConnectionRefusedError):
            peers.tcp(server.port, "::1")

    def test_connect_tries_every_address_of_a_name(self):
        code = "local c <close> = assert(require('net').connect(arg[1])) print(c:read('a'))"

        def serve(listener):
            conn, _ = listener.accept()
            with conn:
                conn.sendall(b"found")

        server = peers.Server(self, serve)
        result = self.run_soquete("-e", code, f"localhost:{server.port}")
        self.assertEnds(result, 0, out="found\n")

    def test_datagrams_of_both_come_to_one_socket(self):
        self.need_ipv6()
        code = """
        local net = require "net"
        local s <close> = assert(net.udp(":0"))
        print("listening on " .. s:getsockname())
        for _ = 1, 2 do
          local data, from = s:recvfrom()
          s:sendto(from.host .. " said " .. data, from)
        end
        """
        server = self.listening(self.soquete(self.file("main.lua", code)))
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(peers.ask_udp(server.port, b"hi", host).decode(), f"{host} said hi")


class UnixSockets(Case):
    STREAM = """
    local net = require "net"
    local server <close> = assert(net.listen("unix:" .. arg[1]))
    print("ready")
    local conn <close> = server:accept()
    for line in conn:lines() do conn:send(utf8.upper(line) .. "\\n") end
    """

    def test_carry_streams(self):
        for path in (os.path.join(self.folder, "socket"), f"@soquete-{os.getpid()}"):
            server = self.soquete(self.file("main.lua", self.STREAM), path)
            server.says("ready\n")
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(PATIENCE)
                s.connect(path.replace("@", "\0"))
                s.sendall(b"one\ntwo\n")
                s.shutdown(socket.SHUT_WR)
                self.assertEqual(peers.read_all(s), b"ONE\nTWO\n")
            self.assertEqual(server.ends(), 0)

    def test_reach_a_server_of_another_program(self):
        path = os.path.join(self.folder, "socket")
        code = """
        local c <close> = assert(require("net").connect("unix:" .. arg[1]))
        c:send("ação\\n")
        print(c:read())
        """
        with socket.socket(socket.AF_UNIX) as listener:
            listener.settimeout(PATIENCE)
            listener.bind(path)
            listener.listen()
            client = self.soquete(self.file("main.lua", code), path)
            conn, _ = listener.accept()
            with conn:
                conn.sendall(peers.upper(peers.read_line(conn)))
                client.says("AÇÃO\n")

    def test_carry_datagrams(self):
        code = """
        local net = require "net"
        local s <close> = assert(net.socket(net.AF_UNIX, net.SOCK_DGRAM))
        assert(s:bind("unix:" .. arg[1]))
        print("ready")
        for _ = 1, 2 do
          local data, from = s:recvfrom()
          s:sendto(utf8.upper(data), from)
        end
        """
        path, ours = (os.path.join(self.folder, name) for name in ("socket", "ours"))
        server = self.soquete(self.file("main.lua", code), path)
        server.says("ready\n")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.settimeout(PATIENCE)
            s.bind(ours)
            for data in (b"one", b""):
                s.sendto(data, path)
                self.assertEqual(s.recvfrom(100), (data.upper(), path))
        self.assertEqual(server.ends(), 0)

    def test_a_socket_file_that_nobody_serves_gives_a_hint(self):
        path = os.path.join(self.folder, "socket")
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(path)
        result = self.run_soquete("-e", "assert(require('net').listen('unix:' .. arg[1]))", path)
        self.assertEnds(result, 1, err="EADDRINUSE")
        self.assertIn("hint: the socket file exists", result.err)
