"""Descriptors that another program hands over: net.fdopen."""

import fcntl
import os
import pty
import socket
import threading
import tty

from harness import Case


def blocking(fd):
    return not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK


class Inherited(Case):
    def hand_over(self, code, *descriptors, **options):
        """A program that gets the numbers of the descriptors as its arguments."""
        script = self.file("main.lua", "local net = require 'net'\n" + code)
        return self.soquete(script, *descriptors, pass_fds=descriptors, **options)

    def test_a_listening_socket_is_served(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            code = """
                local l = assert(net.fdopen(tonumber(arg[1])))
                print(l)
                net.spawn(function() net.sleep(0) print("other tasks run") end)
                local c = l:accept()
                c:send(c:read():upper() .. "\\n")
                c:close()
            """
            program = self.hand_over(code, listener.fileno())
            program.says("listening")
            program.says("other tasks run")
            with socket.create_connection(listener.getsockname()) as client:
                client.sendall(b"hello\n")
                self.assertEqual(client.makefile().readline(), "HELLO\n")
            self.assertEqual(program.ends(), 0)
            self.assertTrue(blocking(listener.fileno()))

    def test_poll_tells_when_a_pipe_has_bytes(self):
        to_it, ours = os.pipe()
        code = """
            local pipe = assert(net.fdopen(tonumber(arg[1])))
            print(#net.poll({pipe}, {}, 0) .. " ready") -- nothing is there yet
            print(net.poll({pipe}, {})[1] == pipe, pipe:recv())
            print(#net.poll({pipe}, {}) .. " ready", select(3, pipe:recv())) -- its end
        """
        program = self.hand_over(code, to_it)
        os.close(to_it)
        program.says("0 ready")
        os.write(ours, b"hello")
        program.says("true\thello\n")
        os.close(ours)
        program.says("1 ready\teof\n")
        self.assertEqual(program.ends(), 0)

    def test_a_connected_socket_does_not_stop_other_tasks(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            code = """
                local s = assert(net.fdopen(tonumber(arg[1])))
                net.spawn(function()
                  for _ = 1, 3 do net.sleep(0.001) end
                  print("ticked")
                end)
                s:send(("x"):rep(4000000))
                print(s:read())
            """
            program = self.hand_over(code, theirs.fileno())
            program.says("ticked")
            got = 0
            while got < 4000000:
                got += len(ours.recv(65536))
            ours.sendall(b"done\n")
            program.says("done")
            self.assertEqual(program.ends(), 0)
            self.assertTrue(blocking(theirs.fileno()))

    def test_a_datagram_socket_is_one(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            code = """
                local s = assert(net.fdopen(tonumber(arg[1])))
                local data, from = s:recvfrom()
                s:sendto(data:upper(), from)
            """
            program = self.hand_over(code, s.fileno())
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(30)
                client.sendto(b"hello", s.getsockname())
                self.assertEqual(client.recv(100), b"HELLO")
            self.assertEqual(program.ends(), 0)

    def test_a_fresh_socket_connects_and_keeps_its_settings(self):
        with socket.socket() as s, socket.create_server(("127.0.0.1", 0)) as listener:
            code = """
                local s = assert(net.fdopen(tonumber(arg[1])))
                assert(s:connect("127.0.0.1", os.getenv("PORT")))
                s:send("hello")
            """
            port = str(listener.getsockname()[1])
            program = self.hand_over(code, s.fileno(), env={**os.environ, "PORT": port})
            peer = listener.accept()[0]
            with peer, peer.makefile() as text:
                self.assertEqual(text.read(5), "hello")
            self.assertEqual(program.ends(), 0)
            timeout = s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16)
            self.assertEqual(timeout, bytes(16))
            self.assertTrue(blocking(s.fileno()))

    def test_pipes_do_not_stop_other_tasks(self):
        from_us, to_us = os.pipe(), os.pipe()
        code = """
            local i, o = net.fdopen(tonumber(arg[1])), net.fdopen(tonumber(arg[2]))
            net.spawn(function()
              for _ = 1, 3 do net.sleep(0.001) end
              print("ticked")
            end)
            o:send(("x"):rep(1000000))
            print(i:read("a"))
        """
        program = self.hand_over(code, from_us[0], to_us[1])
        os.close(to_us[1])
        program.says("ticked")
        with os.fdopen(to_us[0], "rb") as pipe:
            self.assertEqual(len(pipe.read(1000000)), 1000000)
        self.assertTrue(blocking(from_us[0]))
        os.write(from_us[1], b"the rest")
        os.close(from_us[1])
        os.close(from_us[0])
        program.says("the rest")
        self.assertEqual(program.ends(), 0)

    def test_a_terminal_is_read_by_lines(self):
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        code = """
            local s = assert(net.fdopen(tonumber(arg[1])))
            s:send("name? ")
            s:send("hello " .. s:read() .. "\\n")
        """
        program = self.hand_over(code, theirs)
        self.assertEqual(os.read(ours, 100), b"name? ")
        os.write(ours, b"you\n")
        self.assertEqual(program.ends(), 0)
        self.assertEqual(os.read(ours, 100), b"hello you\n")
        os.close(ours)
        os.close(theirs)

    def test_a_taken_descriptor_does_not_go_to_children(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            code = """
                local s = assert(net.fdopen(tonumber(arg[1])))
                os.execute("test -e /proc/self/fd/" .. arg[1] .. " && echo open || echo shut")
            """
            program = self.hand_over(code, theirs.fileno())
            program.says("shut")
            self.assertEqual(program.ends(), 0)

    def test_standard_input_may_be_a_socket(self):
        ours, theirs = socket.socketpair()
        with ours:
            code = "for line in io.lines() do print(line:upper()) end"
            program = self.hand_over(code, stdin=theirs)
            theirs.close()
            ours.sendall(b"as inetd does it\n")
            program.says("AS INETD DOES IT")
            ours.close()
            self.assertEqual(program.ends(), 0)

    def test_sockets_that_block_are_relayed_by_copying(self):
        (client, a), (b, server) = socket.socketpair(), socket.socketpair()
        code = """
            local a, b = net.fdopen(tonumber(arg[1])), net.fdopen(tonumber(arg[2]))
            local moved = assert(net.relay(a, b))
            print(moved.a_to_b_bytes, moved.b_to_a_bytes)"""
        with client, a, b, server:
            program = self.hand_over(code, a.fileno(), b.fileno())
            for s in (a, b):
                self.assertTrue(blocking(s.fileno()))
                s.close()
            data = os.urandom(3_000_000)
            sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
            sender.start()
            got = b""
            while len(got) < len(data):
                got += server.recv(65536)
            self.assertEqual(got, data)
            self.assertEqual(server.recv(1), b"")
            server.sendall(b"thanks")
            server.close()
            self.assertEqual(client.recv(100), b"thanks")
            sender.join()
            program.says("3000000\t6\n")
            self.assertEqual(program.ends(), 0)
