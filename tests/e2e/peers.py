"""Programs of other people, and sockets of Python's own, as the other side."""

import glob
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

from harness import PATIENCE

HERE = os.path.dirname(os.path.abspath(__file__))


# --- clients ---------------------------------------------------------------------------


def tcp(port, host="127.0.0.1"):
    return socket.create_connection((host, port), timeout=PATIENCE)


def udp(host="127.0.0.1", family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    s.bind((host, 0))
    return s


def read_all(s):
    data = b""
    while True:
        piece = s.recv(65536)
        if not piece:
            return data
        data += piece


def read_line(s):
    data = b""
    while not data.endswith(b"\n"):
        piece = s.recv(1)
        if not piece:
            break
        data += piece
    return data


def ask_tcp(port, data, host="127.0.0.1"):
    """Sends everything, ends, and reads to the end."""
    with tcp(port, host) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        return read_all(s)


def ask_udp(port, data, host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with udp(host, family) as s:
        s.sendto(data, (host, port))
        return s.recvfrom(65535)[0]


def reset(s):
    """Ends a connection with RST instead of FIN (socket(7), SO_LINGER of 0 s)."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


# --- servers ---------------------------------------------------------------------------


class Server:
    """A Python server in a thread: `serve(socket)` runs once, and .port tells where."""

    def __init__(self, case, serve, kind=socket.SOCK_STREAM, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, kind)
        self.socket.settimeout(PATIENCE)
        self.socket.bind((host, 0))
        if kind == socket.SOCK_STREAM:
            self.socket.listen()
        self.port = self.socket.getsockname()[1]
        self.problem = None
        self.thread = threading.Thread(target=self._run, args=(serve,), daemon=True)
        self.thread.start()
        case.addCleanup(self._end, case)

    def _run(self, serve):
        try:
            serve(self.socket)
        except OSError as problem:
            self.problem = problem

    def _end(self, case):
        self.thread.join(PATIENCE)
        self.socket.close()
        if self.thread.is_alive() or self.problem:
            case.fail(f"the Python server: {self.problem or 'does not end'}")


def upper(data):
    return data.decode().upper().encode()


# --- Java ------------------------------------------------------------------------------

_java_lock = threading.Lock()
_java_classes = None


def java_classes():
    """The folder of the compiled programs; they are compiled once, by who comes first."""
    global _java_classes
    if not shutil.which("java") or not shutil.which("javac"):
        raise unittest.SkipTest("java is not installed")
    with _java_lock:
        if not _java_classes:
            folder = tempfile.mkdtemp(prefix="soquete-java-")
            sources = sorted(glob.glob(os.path.join(HERE, "java", "*.java")))
            subprocess.run(["javac", "-d", folder, *sources], check=True, timeout=120)
            _java_classes = folder
    return _java_classes


def remove_java_classes():
    if _java_classes:
        shutil.rmtree(_java_classes, ignore_errors=True)


def java(name, *args):
    """The command line that runs one of them."""
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
    return ["java", *quick, "-cp", java_classes(), name, *[str(a) for a in args]]


# --- /proc -----------------------------------------------------------------------------


def udp_port_of(pid):
    """The port of a program's UDP socket over IPv4; None when it has none yet."""
    inodes = set()
    for link in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            inodes.add(os.readlink(link))
        except OSError:
            pass
    with open("/proc/net/udp") as table:
        for row in list(table)[1:]:
            columns = row.split()
            if f"socket:[{columns[9]}]" in inodes:
                return int(columns[1].split(":")[1], 16) or None
    return None


def is_read(s):
    """Whether the other end, on this machine, has read all that was sent (proc(5), tcp)."""
    ours, theirs = s.getsockname()[1], s.getpeername()[1]
    with open("/proc/net/tcp") as table:
        for row in list(table)[1:]:
            columns = row.split()
            ports = [int(columns[i].split(":")[1], 16) for i in (1, 2)]
            if ports == [theirs, ours]:
                return columns[4].endswith(":00000000")  # its receive queue
    return False


def cpu_ticks(pid):
    """The processor time that a process has used, in clock ticks (proc(5), stat)."""
    with open(f"/proc/{pid}/stat") as f:
        columns = f.read().rpartition(")")[2].split()
    return int(columns[11]) + int(columns[12])


def state_of(pid):
    """R, S, D … (proc(5), stat)."""
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]
