"""System calls by name, counted by strace: the difference between a long run and a short one,
so that start and end are excluded."""
import re
import signal
import socket
import subprocess

from pairs import Running
from place import OUT
from processes import Server, free_port, load

SHORT, LONG = 20, 120  # requests, or connects, of each client
LOG = OUT / "strace.log"
STRACE = ["strace", "-f", "-c", "-U", "calls,name", "-o", LOG]


def counted():
    """{name: calls} of the run that has ended."""
    found = re.findall(r"^\s*(\d+)\s+(\w+)\s*$", LOG.read_text(), re.M)
    return {name: int(calls) for calls, name in found if name != "total"}


def each(run, clients):
    """What run(count), where each of `clients` has `count` requests, takes for one request."""
    short, long = run(SHORT), run(LONG)
    found = {name: (long[name] - short.get(name, 0)) / clients / (LONG - SHORT)
             for name in sorted(long)}
    return {name: calls for name, calls in found.items() if abs(calls) >= 0.005}


def of_server(side, mode, opt, load_mode=None, **words):
    """A server's, for a request."""
    clients = 16 if mode == "udp" else 50

    def run(count):
        with Server(side, mode, set(opt.cores)) as server:
            tracer = subprocess.Popen([*STRACE, "-p", str(server.pid)], stderr=subprocess.PIPE)
            with tracer:
                tracer.stderr.readline()  # "attached"
                try:
                    load(server, load_mode or mode, clients, set(opt.cores), opt, count=count,
                         **words)
                finally:
                    tracer.send_signal(signal.SIGINT)
        return counted()
    return each(run, clients)


def of_client(side, opt):
    """A client's, for a connection (pairs.Connects)."""
    def run(count):
        port = free_port(socket.SOCK_STREAM)
        with Running() as programs:
            side.server(programs, set(opt.cores), port)
            client = programs.start([*STRACE, *side.client, count], set(opt.cores), port=port)
            if client.wait(60) != 0:
                raise RuntimeError(f"{side.name}: {programs.said()}")
        return counted()
    return each(run, side.TASKS)
