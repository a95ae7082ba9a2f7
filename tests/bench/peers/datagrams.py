"""A loop of sendto in Python 3, with the clock read each time: datagrams.py send PORT"""
import socket
import sys
import time

port = int(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    data, to = bytes(1472), ("127.0.0.1", port)
    stop = time.monotonic() + 3600
    while time.monotonic() < stop:
        s.sendto(data, to)
