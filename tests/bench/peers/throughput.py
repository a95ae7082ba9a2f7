"""The lecture's measurement of TCP throughput, in Python 3: throughput.py receive|send PORT"""
import socket
import sys
import time

role, port = sys.argv[1], int(sys.argv[2])

if role == "send":
    conn = socket.create_connection(("127.0.0.1", port))
    buffer = bytearray(8192)
    stop = time.time() + 3600
    while time.time() < stop:
        conn.send(buffer)
else:
    with socket.create_server(("127.0.0.1", port)) as server:
        conn = server.accept()[0]
        while conn.recv(8192):
            pass
