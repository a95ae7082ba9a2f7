"""Servers and the load generator as processes, pinned to cores."""
import contextlib
import json
import os
import socket
import statistics
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
        with open(OUT / "server.log", "w") as log:
            self.process = subprocess.Popen(
                side.argv(mode, self.port), preexec_fn=pin(cores), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log)
        self.pid = self.process.pid

    def __enter__(self):
        limit = time.monotonic() + 15
        while not self.side.ready(self.mode, self.port):
            if self.process.poll() is not None or time.monotonic() > limit:
                self.__exit__()
                sys.exit(f"bench: {self.process.args} does not answer: "
                         + (OUT / "server.log").read_text()[-2000:])
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def resident_kib(self):
        """Exact; VmRSS in /proc/PID/status is kept by processor, and off by dozens of pages."""
        for line in file_text(f"/proc/{self.pid}/smaps_rollup").splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1])
        raise RuntimeError("no Rss")


def load_argv(server, mode, clients, opt, **more):
    words = {"port": server.port, "mode": mode, "connections": clients,
             "size": opt.size, **more}
    argv = [str(PROGRAMS / "tests/bench/load")]
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


def measure_servers(sides, mode, clients, cores, opt, load_mode=None, turns=TURNS, **words):
    """Servers that are started anew, warmed up and measured in many short turns: what else
    the machine does changes within seconds, and so meets all of them alike."""
    with contextlib.ExitStack() as started:
        servers = [started.enter_context(Server(side, mode, cores[0])) for side in sides]
        parts = {side.name: [] for side in sides}
        for turn in range(turns):
            warmup = opt.warmup if turn == 0 else opt.warmup / 10
            for server in servers if turn % 2 == 0 else reversed(servers):
                parts[server.side.name].append(
                    load(server, load_mode or mode, clients, cores[1], opt, warmup=warmup,
                         seconds=opt.seconds / turns, pid=server.pid, **words))
    return {name: joined(all_turns) for name, all_turns in parts.items()}


def joined(turns):
    """The generator's figures for the turns of one server as those of one."""
    got = dict(turns[0])
    for name in ("requests", "seconds", "server_cpu_ns", "load_cpu_ns", "errors", "lost"):
        got[name] = sum(t[name] for t in turns)
    for name in ("p50_us", "p99_us"):
        got[name] = statistics.median(t[name] for t in turns)
    requests = max(1, got["requests"])
    got["rate"] = got["requests"] / got["seconds"]
    got["cpu_us"] = got["server_cpu_ns"] / 1000 / requests
    got["busy"] = got["server_cpu_ns"] / 1e9 / got["seconds"]
    got["load_busy"] = got["load_cpu_ns"] / 1e9 / got["seconds"]
    got["busy_rate"] = 1e9 * requests / (got["server_cpu_ns"] + got["load_cpu_ns"])
    return got
