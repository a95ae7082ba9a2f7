#!/usr/bin/env python3
"""make soak: mixed load on the program for minutes, and what slow and many peers cost.

    soak.py [--minutes N] [--only mixed,slow,full] [--every SECONDS]

Prints the figures, a verdict a line, and as its last line "N passed, N failed". Everything
here is timed, so it belongs to no test; a loaded machine may miss a limit.
"""

import argparse
import json
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = pathlib.Path(os.environ.get("BENCH_PROGRAMS", "build/release")).resolve()
SOQUETE = str(PROGRAMS / "soquete")
PATIENCE = 120
MANY = 9000

# A machine that stands still for a moment looks like a task that computes.
os.environ["SOQUETE_WATCHDOG"] = "off"

verdicts = []


def verdict(holds, text):
    verdicts.append(bool(holds))
    print(("ok    " if holds else "FAIL  ") + text, flush=True)


# --- processes -------------------------------------------------------------------------


class Program:
    """A script under the program; a context that ends it."""

    def __init__(self, script, *args, limit=None):
        argv = [SOQUETE, str(HERE / script), *map(str, args)]
        if limit:
            argv = ["prlimit", f"--nofile={limit}", *argv]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.err = self.process.communicate(timeout=PATIENCE)[1]

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def resident(self):
        with open(f"/proc/{self.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu(self):
        with open(f"/proc/{self.pid}/stat") as f:
            columns = f.read().rpartition(")")[2].split()
        return (int(columns[11]) + int(columns[12])) / os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, patience):
    """How long it took, or None."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > patience:
            return None
        time.sleep(0.005)
    return time.monotonic() - begin


def is_served(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
            s.sendall(b"word")
            return s.recv(4) == b"WORD"
    except OSError:
        return False


def lines_server(limit=None):
    port = free_port()
    server = Program("lines.lua", port, limit=limit)
    if until(lambda: is_served(port), 10) is None:
        sys.exit("soak: the server does not answer")
    return server, port


# --- the mixed load --------------------------------------------------------------------


def slope(samples):
    """KiB a minute, by least squares over (seconds, KiB)."""
    times, values = zip(*samples)
    mean_t, mean_v = statistics.mean(times), statistics.mean(values)
    square = sum((t - mean_t) ** 2 for t in times)
    return 60 * sum((t - mean_t) * (v - mean_v) for t, v in samples) / square


def is_flat(name, samples, percent):
    """The first half is for warming up, until the heap has its holes: the line through the
    second rises by less than so many percent, or 512 KiB, over all of it."""
    half = samples[len(samples) // 2 :]
    rise = slope(half)
    total = rise * (half[-1][0] - half[0][0]) / 60
    middle = statistics.median(v for _, v in half)
    tenths = [v for _, v in samples[:: max(1, len(samples) // 10)]]
    print(f"      {name}: {rise:+.1f} KiB a minute in the second half; KiB resident by tenths: "
          + " ".join(map(str, tenths)))
    verdict(total < max(512, middle * percent / 100), f"{name}: memory is flat")


def mixed(minutes, every):
    with Program("soak_server.lua") as server:
        port = server.line().rpartition(":")[2]
        time.sleep(0.5)
        before = server.descriptors()
        with Program("soak_load.lua", port, minutes * 60) as load:
            memory = {"server": [], "clients": []}
            begin, most = time.monotonic(), 0
            while load.process.poll() is None and time.monotonic() - begin < minutes * 60 - 1:
                time.sleep(every)
                now = time.monotonic() - begin
                memory["server"].append((now, server.resident()))
                memory["clients"].append((now, load.resident()))
                most = max(most, server.descriptors())
            told = load.line()
            status = load.process.wait(PATIENCE)
        print(f"      {told}", load.err.strip()[-2000:], sep="\n      ")
        verdict(status == 0 and told.startswith("done: "), "clients: every answer is right")
        is_flat("server", memory["server"], 3)
        # Dozens of strings of up to 300 KB come and go there: its heap has larger holes.
        is_flat("clients", memory["clients"], 10)
        # The pair of the chores is closed by the collector, which comes now and then.
        back = until(lambda: server.descriptors() <= before + 8, 30)
        print(f"      server: {before} descriptors at first, {most} at most, "
              f"{server.descriptors()} at last")
        verdict(back is not None, "server: the descriptors are back")
        verdict(server.process.poll() is None, "server: alive")
    if server.err.strip():
        print("      the server says: " + server.err.strip()[-2000:])
    verdict(not server.err.strip(), "server: it complains about nothing")


# --- a fast client beside nine thousand slow ones --------------------------------------


def fast_p99(port):
    argv = [str(PROGRAMS / "tests/bench/load"), "--port", str(port), "--connections", "1",
            "--seconds", "2"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    figures = json.loads(done.stdout)
    return figures["p99_us"], figures["errors"]


def rounds(port, count):
    found = [fast_p99(port) for _ in range(count)]
    verdict(not any(errors for _, errors in found), "fast client: every answer is right")
    return statistics.median(p99 for p99, _ in found)


def slow():
    server, port = lines_server()
    with server:
        alone = rounds(port, 3)
        with Program("soak_slow.lua", port, MANY) as many:
            if many.line() != "open":
                sys.exit("soak: " + many.process.communicate()[1])
            time.sleep(3)  # all of them have begun
            used, begin = server.cpu() + many.cpu(), time.monotonic()
            beside = rounds(port, 5)
            used, took = server.cpu() + many.cpu() - used, time.monotonic() - begin
            held = server.descriptors()
            verdict(many.process.poll() is None, "slow clients: every answer is right")
        print(f"      p99 of a fast client: {alone:.0f} us alone, {beside:.0f} us beside {MANY} "
              f"that send a byte a second ({held} descriptors)")
        verdict(beside - alone < 2000, "fast client: less than 2 ms beyond what it is alone")
        print(f"      alone again: {rounds(port, 3):.0f} us; server and slow clients used "
              f"{used / took:.0%} of a core")


# --- no descriptor is left -------------------------------------------------------------


def full():
    server, port = lines_server(limit=48)
    with server:
        with Program("soak_flood.lua", port, 200):
            time.sleep(2)
            used, begin = server.cpu(), time.monotonic()
            time.sleep(5)
            share = (server.cpu() - used) / (time.monotonic() - begin)
            held = server.descriptors()
        print(f"      {share:.1%} of a core while all of {held} descriptors are taken")
        verdict(held >= 46 and share < 0.1, "no descriptor: less than a tenth of a core")
        took = until(lambda: is_served(port), 10)
        print(f"      served again after {took or -1:.3f} s")
        verdict(took is not None and took < 1, "no descriptor: served within a second of room")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--every", type=float, default=2, help="seconds between two samples")
    parser.add_argument("--only", default="full,slow,mixed")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    parts = {"full": full, "slow": slow,
             "mixed": lambda: mixed(options.minutes, options.every)}
    for name in options.only.split(","):
        print(f"== {name}", flush=True)
        parts[name]()
    print(f"{verdicts.count(True)} passed, {verdicts.count(False)} failed")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
