"""Python, a thread for each connection: py_threads.py lines|requests|udp PORT"""
import contextlib
import socket
import sys
import threading

mode, port = sys.argv[1], int(sys.argv[2])


def serve(conn):
    with conn, contextlib.suppress(ConnectionError):
        while data := conn.recv(4096):
            conn.sendall(data.upper())
            if mode == "requests":
                return


def serve_datagrams():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", port))
    while True:
        data, addr = server.recvfrom(4096)
        server.sendto(data.upper(), addr)


if mode == "udp":
    serve_datagrams()
threading.stack_size(256 * 1024)
server = socket.create_server(("127.0.0.1", port), backlog=511)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
