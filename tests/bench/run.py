#!/usr/bin/env python3
"""Measures soquete beside bare C and beside other runtimes, and writes docs/benchmarks.md
and build/bench/results.json.

Every figure is a ratio between sides of the same run: the sides alternate, each round has
all of them (servers in many short turns), each round gives one ratio, and the median of the
ratios is told with the smallest and the largest. Where it may, it runs in a network
namespace of its own, in which both sides of each connection use the same congestion control,
reno.
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import bulk
import calls
import growth
import web
from figures import Spread, alternate, order, ratios
from machine import enter_namespace, machine
from page import document
from place import OUT, PROGRAMS, ROOT, file_text
from processes import Server, load_argv, measure_servers
from sides import BASE, BLOCKING, LEADERS, lone_sides, sides

SECTIONS = ("lines", "spin", "requests", "udp", "idle", "start", "calls", "web", *bulk.SECTIONS,
            "growth")


# --- what is measured -----------------------------------------------------------------

def scenario(title, chosen, mode, clients, cores, opt, base=BASE):
    rounds = alternate(chosen, opt.rounds,
                       lambda sides: measure_servers(sides, mode, clients, cores, opt),
                       f"{mode} {clients} clients", "busy_rate", base)
    rows = []
    for side in chosen:
        figures = [r[side.name] for r in rounds]
        rows.append({
            "side": side.name,
            "rate_ratio": ratios(rounds, side.name, "rate", base).json(),
            "busy_ratio": ratios(rounds, side.name, "busy_rate", base).json(),
            "cpu_ratio": ratios(rounds, side.name, "cpu_us", base).json(),
            "rate": Spread(f["rate"] for f in figures).json(),
            "cpu_us": Spread(f["cpu_us"] for f in figures).json(),
            "p50_us": Spread(f["p50_us"] for f in figures).json(),
            "p99_us": Spread(f["p99_us"] for f in figures).json(),
            "errors": sum(f["errors"] for f in figures),
            "lost": sum(f["lost"] for f in figures),
            "congestion": sorted({f["congestion"] for f in figures}),
        })
    return {"title": title, "base": base, "mode": mode, "clients": clients, "size": opt.size,
            "cores": [sorted(c) for c in cores], "rows": rows}


def rest_kib(side, opt):
    """In the middle of many starts: the kernel maps in what lies around a page that is
    touched, and where a library lies changes."""
    sizes = []
    for _ in range(41):
        with Server(side, "lines", {opt.cores[-1]}) as server:
            sizes.append(server.resident_kib())
    return statistics.median(sizes)


def measure_idle(side, opt):
    """What each of many held connections adds to the resident memory."""
    rest = rest_kib(side, opt)
    with Server(side, "lines", {opt.cores[-1]}) as server:
        before = server.resident_kib()
        argv = load_argv(server, "idle", opt.idle, opt)
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as holder:
            if holder.stdout.readline().strip() != "open":
                return {"side": side.name, "rest_kib": rest}
            settle(server)
            opened = server.resident_kib()
            holder.stdin.write("\n")
            holder.stdin.flush()
            if holder.stdout.readline().strip() != "answered":
                raise RuntimeError("the held connections were not answered")
            settle(server)
            answered = server.resident_kib()
            holder.stdin.close()
    each = 1024 / opt.idle
    return {"side": side.name, "rest_kib": rest, "opened_bytes": (opened - before) * each,
            "answered_bytes": (answered - before) * each}


def settle(server):
    """Waits until the server has nothing to do: its processor time stands still."""
    def ticks():
        fields = file_text(f"/proc/{server.pid}/stat").rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    last = -1
    while ticks() != last:
        last = ticks()
        time.sleep(0.15)


def start_commands():
    tests = {"soquete": [str(PROGRAMS / "soquete"), "-e", ""],
             "lua5.4": ["lua5.4", "-e", ""],
             "python3": ["/usr/bin/python3", "-c", ""],
             "Node": ["node", "-e", ""]}
    return {name: argv for name, argv in tests.items() if shutil.which(argv[0])}


def time_start(argv, times, core):
    """Milliseconds from the fork to the end, in the middle of `times` runs."""
    took = []
    for _ in range(times):
        begin = time.perf_counter_ns()
        pid = os.posix_spawnp(argv[0], argv, os.environ)
        os.waitpid(pid, 0)
        took.append((time.perf_counter_ns() - begin) / 1e6)
    return statistics.median(took)


def measure_start(opt):
    commands, rounds = start_commands(), []
    os.sched_setaffinity(0, {opt.cores[-1]})
    for number in range(opt.rounds):
        found = {}
        for name in order(commands, number):
            times = 5 if name == "Node" else 40
            found[name] = {"ms": time_start(commands[name], times, opt.cores[-1])}
        rounds.append(found)
    os.sched_setaffinity(0, set(opt.cores))
    return [{"side": name, "ms": Spread(r[name]["ms"] for r in rounds).json(),
             "ratio": ratios(rounds, name, "ms", "lua5.4").json()} for name in commands]


# --- the run --------------------------------------------------------------------------

def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--seconds", type=float, default=0.8)
    p.add_argument("--warmup", type=float, default=0.3)
    p.add_argument("--size", type=int, default=32, help="bytes of a line")
    p.add_argument("--idle", type=int, default=9000, help="connections that are held")
    p.add_argument("--only", default="", help="of " + ",".join(SECTIONS))
    p.add_argument("--sides", default="", help="names of servers, by commas")
    p.add_argument("--against", default="", help="another build of soquete, as one more side")
    p.add_argument("--files", default="", help="web: of " + ",".join((*web.SIZES, "text")))
    p.add_argument("--document", default=None, help="where to write (docs/benchmarks.md "
                   "when everything is measured, else build/bench/benchmarks.md)")
    opt = p.parse_args()
    opt.sections = opt.only.split(",") if opt.only else list(SECTIONS)
    for name in opt.sections:
        if name not in SECTIONS:
            p.error(f"{name} is none of {', '.join(SECTIONS)}")
    opt.cores = sorted(os.sched_getaffinity(0))
    return opt


def streams(results, chosen, opt):
    one = ({opt.cores[-1]}, {opt.cores[-1]})
    two = ({opt.cores[-1]}, {opt.cores[0]})
    add = results["scenarios"].append

    def knows(mode):
        return [s for s in chosen if mode in s.modes]
    if "lines" in opt.sections:
        for clients in (200, 500):
            add(scenario(f"Kept-open connections, {clients} clients", knows("lines"),
                         "lines", clients, one, opt))
        if len(opt.cores) > 1:
            add(scenario("Kept-open connections on two cores",
                         [s for s in knows("lines") if s.name in LEADERS], "lines", 200, two,
                         opt))
    if "spin" in opt.sections and len(opt.cores) > 1:
        add(scenario("One lone connection on two cores", list(lone_sides()), "lines", 1, two,
                     opt, BLOCKING))
    if "requests" in opt.sections:
        add(scenario("A connection per request", knows("requests"), "requests", 50, one,
                     opt))
    if "udp" in opt.sections:
        add(scenario("UDP request and response", knows("udp"), "udp", 50, one, opt))


def main():
    opt = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no program outlives it
    enter_namespace()
    OUT.mkdir(parents=True, exist_ok=True)
    chosen = list(sides(opt.against))
    if opt.sides:
        wanted = opt.sides.split(",")
        chosen = [s for s in chosen if s.name in (*wanted, BASE, "before")]
    results = {"machine": machine(), "scenarios": []}
    streams(results, chosen, opt)
    if "idle" in opt.sections:
        results["idle"] = []
        for side in chosen:
            results["idle"].append(measure_idle(side, opt))
            print("  idle", results["idle"][-1], flush=True)
    if "start" in opt.sections:
        results["start"] = measure_start(opt)
    if "calls" in opt.sections and shutil.which("strace"):
        results["calls"] = {mode: {s.name: calls.of_server(s, mode, opt)
                                   for s in chosen if s.name in LEADERS}
                            for mode in ("lines", "requests", "udp")}
        results["calls"]["connect"] = {s.name: calls.of_client(s, opt)
                                       for s in bulk.connect_sides(opt) if s.name in LEADERS}
    core = {opt.cores[-1]}
    pairs = [(core, core), (core, {opt.cores[0]})][:len(opt.cores)]
    results["bulk"], results["peers"] = bulk.measure(opt, pairs), bulk.versions()
    if "growth" in opt.sections:
        results["growth"] = growth.measure(chosen, pairs[0], opt)
    if "web" in opt.sections:
        results["web"], more = web.measure(opt, pairs)
        results["web_calls"] = {s.name: calls.of_server(s, "files", opt, "http", **web.words("1KiB"))
                                for s in more if s.name.startswith("soquete")} if shutil.which("strace") else {}
        chosen += more
    (OUT / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    whole = not (opt.only or opt.sides or opt.against)
    target = Path(opt.document) if opt.document else (
        ROOT / "docs/benchmarks.md" if whole else OUT / "benchmarks.md")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(document(results, chosen, opt))
    for name, drawing in growth.charts(results.get("growth")):
        (target.parent / name).write_text(drawing)
    print(f"written: {target.relative_to(ROOT) if target.is_relative_to(ROOT) else target}"
          f" and build/bench/results.json")


if __name__ == "__main__":
    main()
