"""Servers and the load generator as processes, pinned to cores."""
import contextlib
import json
import os
import socket
import subprocess
import sys
import time

from place import OUT, PROGRAMS, file_text

TURNS = 8  # of a server in a round


def pin(cores):
    """A preexec_fn that binds the child to these cores."""
    return lambda: os.sched_setaffinity(0, cores)


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A running server; a context."""

    def __init__(self, side, mode, cores):
        kind = socket.SOCK_DGRAM if mode == "udp" else socket.SOCK_STREAM
        self.side, self.mode, self.port = side, mode, free_port(kind)
        self.log = OUT / f"server-{self.port}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                side.argv(mode, self.port), preexec_fn=pin(cores), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log)
        self.pid = self.process.pid

    def __enter__(self):
        try:
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_until_ready(self):
        limit = time.monotonic() + 15
        while not self.side.ready(self.mode, self.port):
            if self.process.poll() is not None or time.monotonic() > limit:
                sys.exit(f"bench: {self.process.args} does not answer: "
                         + self.log.read_text()[-2000:])
            time.sleep(0.02)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.unlink(missing_ok=True)

    def resident_kib(self):
        """Exact; VmRSS in /proc/PID/status is kept by processor, and off by dozens of pages."""
        for line in file_text(f"/proc/{self.pid}/smaps_rollup").splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1])
        raise RuntimeError("no Rss")


def load_argv(server, mode, clients, opt, *flags, **more):
    words = {"port": server.port, "mode": mode, "connections": clients,
             "size": opt.size, **more}
    argv = [str(PROGRAMS / "tests/bench/load"), *flags]
    for name, value in words.items():
        argv += [f"--{name}", str(value)]
    return argv


def load(server, mode, clients, cores, opt, **more):
    argv = load_argv(server, mode, clients, opt, **more)
    done = subprocess.run(argv, preexec_fn=pin(cores), capture_output=True, text=True,
                          timeout=60 + 10 * opt.seconds)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()} {done.stdout.strip()}")
    return json.loads(done.stdout)


class Load:
    """A generator with its open connections; a context. It asks in turns."""

    def __init__(self, server, mode, clients, cores, opt, **words):
        argv = load_argv(server, mode, clients, opt, "--turns", pid=server.pid, **words)
        self.process = subprocess.Popen(argv, preexec_fn=pin(cores), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        try:
            self.says("open")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def says(self, wanted):
        line = self.process.stdout.readline().strip()
        if line != wanted:
            raise RuntimeError(f"{' '.join(self.process.args)}: {line!r} for {wanted!r}")

    def turn(self, warmup, seconds):
        self.process.stdin.write(f"{warmup} {seconds}\n")
        self.process.stdin.flush()
        self.says("done")

    def figures(self):
        told = self.process.communicate()[0]  # of the answers to turns nothing is left
        if self.process.returncode != 0:
            raise RuntimeError(f"{' '.join(self.process.args)}: {told}")
        return json.loads(told)


def measure_servers(sides, mode, clients, cores, opt, load_mode=None, turns=TURNS, **words):
    """Servers that are started anew, warmed up and asked in many short turns: what else the
    machine does changes within seconds, and so meets all of them alike. Gives the generator's
    figures of each."""
    with contextlib.ExitStack() as started:
        loads = {}
        for side in sides:
            server = started.enter_context(Server(side, mode, cores[0]))
            loads[side.name] = started.enter_context(
                Load(server, load_mode or mode, clients, cores[1], opt, **words))
            loads[side.name].turn(opt.warmup, 0)
        for number in range(turns):
            for one in list(loads.values())[::1 if number % 2 == 0 else -1]:
                one.turn(opt.warmup / 10, opt.seconds / turns)
        return {name: with_shares(one.figures()) for name, one in loads.items()}


def with_shares(got):
    requests = max(1, got["requests"])
    got["cpu_us"] = got["server_cpu_ns"] / 1000 / requests
    got["busy"] = got["server_cpu_ns"] / 1e9 / got["seconds"]
    got["load_busy"] = got["load_cpu_ns"] / 1e9 / got["seconds"]
    got["busy_rate"] = 1e9 * requests / (got["server_cpu_ns"] + got["load_cpu_ns"])
    return got
