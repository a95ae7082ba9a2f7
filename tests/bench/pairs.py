"""Two ends of a transfer as two programs, and how they are measured. Every kind of pair has
a name, its commands, and measure(cores, options), which gives figures."""
import functools
import json
import os
import select
import socket
import subprocess
import time

import counters
import machine
from place import BENCH, OUT, PROGRAMS
from processes import free_port, pin

PATIENCE = 30  # seconds for one step
PAYLOAD_BYTES = 1472
ENDLESS = 3600  # seconds that a sender would go on; it is ended when it has been measured


def differences(look, seconds):
    """How much the figures of look() change in so many seconds; in more, while the first,
    what has moved, does not: a busy machine may keep both ends waiting."""
    before, limit = look(), time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        time.sleep(seconds)
        found = [b - a for a, b in zip(before, look())]
        if found[0] > 0:
            return found
    raise RuntimeError("nothing moves any more")


class Running:
    """Programs of one measurement; a context that ends them."""

    def __init__(self):
        self.started, self.log = [], open(OUT / "pair.log", "w")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.started:
            process.kill()
        for process in self.started:
            process.wait()
            if process.stdout:
                process.stdout.close()
        self.log.close()

    def start(self, command, cores, tells=False, **words):
        argv = [str(word).format(**words) for word in command]
        process = subprocess.Popen(
            argv, preexec_fn=pin(cores), stdin=subprocess.DEVNULL, stderr=self.log, text=True,
            stdout=subprocess.PIPE if tells else subprocess.DEVNULL)
        self.started.append(process)
        return process

    @staticmethod
    def said():
        """What the programs have written to standard error."""
        return (OUT / "pair.log").read_text()[-2000:]

    def wait_for(self, condition, what):
        try:
            return counters.wait_for(condition, what, self.started)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {self.said()}") from None

    def line_of(self, process, what):
        """What a program says next; the bench ends when it, or its peer, ends without."""
        limit = time.monotonic() + PATIENCE
        while not select.select([process.stdout], [], [], 0.05)[0]:
            if time.monotonic() > limit or any(p.poll() is not None for p in self.started):
                break
        line = process.stdout.readline() if select.select([process.stdout], [], [], 0)[0] else ""
        if not line:
            raise RuntimeError(f"{what} says nothing: {self.said()}")
        return line.strip()


class Pair:
    """A TCP connection: the commands of its receiver, its sender, and of a relay between
    them, whose processor time is then the one that is told. {port} is the receiver's,
    {via} the relay's. `congestion` None: that of all sides."""

    def __init__(self, name, receive, send, relay=None, congestion=None):
        self.name, self.receive, self.send = name, receive, send
        self.relay, self.congestion = relay, congestion

    def commands(self):
        found = [self.relay] if self.relay else [self.receive, self.send]
        return [" ".join(str(word) for word in command) for command in found]

    def measure(self, cores, opt):
        port, via = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
        words = {"port": port, "via": via if self.relay else port}
        with machine.congestion(self.congestion), Running() as programs:
            subject = [programs.start(self.receive, cores[0], **words)]
            programs.wait_for(lambda: counters.listens(port), f"{self.name}: no listener")
            if self.relay:
                subject = [programs.start(self.relay, cores[1], **words)]
                programs.wait_for(lambda: counters.listens(via), f"{self.name}: no relay")
            sender = programs.start(self.send, cores[0 if self.relay else 1], **words)
            subject += [] if self.relay else [sender]
            programs.wait_for(lambda: counters.bytes_received(port) > 0, f"{self.name}: no byte")
            control = counters.congestion_to(words["via"])
            time.sleep(opt.warmup)
            return dict(self.window(port, subject, programs.started, opt), congestion=control)

    @staticmethod
    def window(port, subject, everybody, opt):
        def look():
            return (counters.bytes_received(port), time.monotonic(),
                    counters.cpu_seconds(p.pid for p in subject),
                    counters.cpu_seconds(p.pid for p in everybody))
        moved, took, own, busy = differences(look, opt.seconds)
        return {"gbits": moved * 8e-9 / took, "busy_gbits": moved * 8e-9 / max(busy, 1e-9),
                "cpu_ns_kib": own * 1e9 / max(moved / 1024, 1)}


class Datagrams:
    """UDP one way. The receiver says "begin", and later what came, as JSON."""

    def __init__(self, name, receive, send):
        self.name, self.receive, self.send = name, receive, send

    def commands(self):
        return [" ".join(str(word) for word in command)
                for command in (self.receive, self.send)]

    def measure(self, cores, opt):
        words = {"port": free_port(socket.SOCK_DGRAM), "warmup": opt.warmup,
                 "seconds": opt.seconds}
        with Running() as programs:
            receiver = programs.start(self.receive, cores[0], tells=True, **words)
            programs.wait_for(lambda: counters.udp_bound(words["port"]), f"{self.name}: no port")
            sender = programs.start(self.send, cores[1], **words)
            pids = [receiver.pid, sender.pid]
            programs.line_of(receiver, self.name)  # "begin"
            before = look(pids)
            got = json.loads(programs.line_of(receiver, self.name))
            busy, taken, dropped = (b - a for a, b in zip(before, look(pids)))
        return {"rate": got["datagrams"] / got["seconds"],
                "gbits": got["bytes"] * 8e-9 / got["seconds"],
                "busy_rate": got["datagrams"] / max(busy, 1e-9),
                "cpu_us": busy * 1e6 / max(got["datagrams"], 1),
                "lost": dropped / max(taken + dropped, 1)}


def look(pids):
    return (counters.cpu_seconds(pids), *counters.udp("InDatagrams", "RcvbufErrors"))


class Iperf3Datagrams(Datagrams):
    """iperf3 counts whole seconds, and tells its ends' processor time as shares of them."""

    def measure(self, cores, opt):
        port = free_port(socket.SOCK_STREAM)
        with Running() as programs:
            server = programs.start(self.receive, cores[0], tells=True, port=port)
            programs.wait_for(lambda: counters.listens(port), f"{self.name}: no listener")
            programs.start(self.send, cores[1], port=port).wait(PATIENCE)
            told = json.loads(server.communicate(timeout=PATIENCE)[0])["end"]
        total, cpu = told["sum"], told["cpu_utilization_percent"]
        got = total["packets"] - total["lost_packets"]
        busy = (cpu["host_total"] + cpu["remote_total"]) / 100 * total["seconds"]
        return {"rate": got / total["seconds"],
                "gbits": got * PAYLOAD_BYTES * 8e-9 / total["seconds"],
                "busy_rate": got / busy, "cpu_us": busy * 1e6 / got,
                "lost": total["lost_percent"] / 100}


class Sender:
    """A loop of sendto to a bare C receiver: what a datagram costs its sender."""

    def __init__(self, name, send):
        self.name, self.send = name, send

    def commands(self):
        return [" ".join(str(word) for word in self.send)]

    def measure(self, cores, opt):
        port = free_port(socket.SOCK_DGRAM)
        with Running() as programs:
            programs.start([PROGRAMS / "tests/bench/datagram_pair", "receive", "plain",
                            "{port}", 0, ENDLESS], cores[0], port=port)
            programs.wait_for(lambda: counters.udp_bound(port), f"{self.name}: no port")
            sender = programs.start(self.send, cores[1], port=port)
            first, = counters.udp("OutDatagrams")
            programs.wait_for(lambda: counters.udp("OutDatagrams")[0] > first,
                              f"{self.name}: no datagram")
            time.sleep(opt.warmup)
            sent, busy, took = differences(lambda: (
                *counters.udp("OutDatagrams"), counters.cpu_seconds([sender.pid]),
                time.monotonic()), opt.seconds)
        return {"cpu_us": busy * 1e6 / sent, "busy_rate": sent / max(busy, 1e-9),
                "rate": sent / took}


class Connects:
    """A client that connects to a bare C server, receives its greeting and its end, and
    closes, again and again, TASKS at a time. What it has done is what the kernel counts."""

    TASKS = 50
    PRIMING = 30000  # connects: the kernel gives each port that it has for them

    def __init__(self, name, client):
        self.name, self.client = name, [*client, "{port}", self.TASKS]

    def commands(self):
        return [" ".join(str(word) for word in self.client)]

    @staticmethod
    def server(programs, cores, port):
        """The started server, once it listens."""
        started = programs.start([PROGRAMS / "tests/bench/blocking_server", "greet", "{port}"],
                                 cores, port=port)
        programs.wait_for(lambda: counters.listens(port), "no greeting server")
        return started

    @classmethod
    @functools.cache
    def steady_port(cls):
        """The server's, the same for all sides, and every connection of theirs meets one that
        is in TIME-WAIT there: else the first side would find none, and the last a table that
        is full."""
        port, everywhere = free_port(socket.SOCK_STREAM), os.sched_getaffinity(0)
        with Running() as programs:
            cls.server(programs, everywhere, port)
            client = [PROGRAMS / "tests/bench/connect_client", "epoll", "{port}", cls.TASKS,
                      cls.PRIMING // cls.TASKS]
            if programs.start(client, everywhere, port=port).wait(4 * PATIENCE) != 0:
                raise RuntimeError(f"connects fail: {programs.said()}")
        return port

    def measure(self, cores, opt):
        port = self.steady_port()
        with Running() as programs:
            server = self.server(programs, cores[0], port)
            first, = counters.tcp("ActiveOpens")
            client = programs.start(self.client, cores[1], port=port)
            programs.wait_for(lambda: counters.tcp("ActiveOpens")[0] > first + self.TASKS,
                              f"{self.name}: no connection")
            time.sleep(opt.warmup)
            made, failed, resets, own, busy, took = differences(lambda: (
                *counters.tcp("ActiveOpens", "AttemptFails", "EstabResets"),
                counters.cpu_seconds([client.pid]),
                counters.cpu_seconds([client.pid, server.pid]), time.monotonic()), opt.seconds)
            if client.poll() is not None:
                raise RuntimeError(f"{self.name}: the client has ended: {programs.said()}")
        return {"connects": made / took, "busy_rate": made / max(busy, 1e-9),
                "connect_us": own * 1e6 / made, "failed": failed + resets}


class Delay:
    """How late a task wakes that sleeps a millisecond at a time, beside a transfer of the
    same process: to `receive`, from `send`, between both, or to and from nobody."""

    def __init__(self, name, beside, receive=None, send=None):
        self.name, self.beside, self.receive, self.send = name, beside, receive, send

    def commands(self):
        return [" ".join(str(word) for word in self.command())]

    def command(self):
        return [PROGRAMS / "soquete", BENCH / "delay.lua", self.beside, "{port}", "{via}",
                "{warmup}", "{seconds}"]

    def measure(self, cores, opt):
        words = {"port": free_port(socket.SOCK_STREAM), "via": free_port(socket.SOCK_STREAM),
                 "warmup": opt.warmup, "seconds": opt.seconds}
        with Running() as programs:
            if self.receive:
                programs.start(self.receive, cores[1], **words)
                programs.wait_for(lambda: counters.listens(words["port"]), "no listener")
            subject = programs.start(self.command(), cores[0], tells=True, **words)
            if self.send:
                programs.wait_for(lambda: counters.listens(words["via"]), "no listener")
                programs.start(self.send, cores[1], **words)
            return json.loads(programs.line_of(subject, self.name))
