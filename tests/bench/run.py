#!/usr/bin/env python3
"""Measures soquete beside bare C and beside other runtimes, and writes docs/benchmarks.md
and build/bench/results.json.

Every figure is a ratio between sides of the same run: the sides alternate, each round has
all of them, each round gives one ratio, and the median of the ratios is told with the
smallest and the largest. Where it may, it runs in a network namespace of its own, in which
both sides of each connection use the same congestion control, reno.
"""
import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "tests/bench"
PEERS = BENCH / "peers"
OUT = ROOT / "build/bench"
PROGRAMS = ROOT / os.environ.get("BENCH_PROGRAMS", "build/release")
SECTIONS = ("lines", "requests", "udp", "idle", "start", "calls")
CONGESTION = "reno"
BASE = "C epoll"


# --- the sides ------------------------------------------------------------------------

class Side:
    """A server: its command line for each mode it knows."""

    def __init__(self, name, command, modes=("lines", "requests", "udp"), version=None):
        self.name, self.command, self.modes, self.version = name, command, modes, version

    def argv(self, mode, port):
        return [word.format(mode=mode, port=port) for word in self.command]


def file_text(path):
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "unknown"


def first_line(argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    except OSError:
        return None
    text = (done.stdout or done.stderr).strip()
    return text.splitlines()[0] if text else None


def lua_module(lua, module, expression):
    """The version of a Lua module, or None where it is not installed."""
    code = f"local m = require '{module}'; print({expression})"
    try:
        done = subprocess.run([lua, "-e", code], capture_output=True, text=True, timeout=20)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def go_server():
    go = shutil.which("go")
    if not go:
        return None
    target = OUT / "go_server"
    environment = dict(os.environ, GO111MODULE="off", GOCACHE=str(OUT / "go-cache"))
    subprocess.run([go, "build", "-o", target, PEERS / "server.go"], env=environment,
                   check=True)
    return str(target)


def sides(against=""):
    tests = PROGRAMS / "tests/bench"
    yield Side(BASE, [f"{tests}/epoll_server", "{mode}", "{port}"])
    yield Side("soquete", [str(PROGRAMS / "soquete"), str(BENCH) + "/{mode}.lua", "{port}"],
               version=first_line([str(PROGRAMS / "soquete"), "--version"]))
    if against:
        yield Side("before", [against, str(BENCH) + "/{mode}.lua", "{port}"],
                   version=first_line([against, "--version"]))
    yield Side("C io_uring", [f"{tests}/uring_server", "{mode}", "{port}"])
    luv = lua_module("lua5.4", "luv", "m.version_string()")
    if luv:
        yield Side("luv", ["lua5.4", f"{PEERS}/luv.lua", "{mode}", "{port}"],
                   version=f"lua5.4, libuv {luv}")
    cqueues = lua_module("lua5.4", "cqueues", "m.VERSION")
    if cqueues:
        yield Side("cqueues", ["lua5.4", f"{PEERS}/cqueues.lua", "{mode}", "{port}"],
                   modes=("lines", "requests"), version=f"lua5.4, cqueues {cqueues}")
    copas = lua_module("lua5.2", "copas", "m._VERSION .. ', ' .. require('socket')._VERSION")
    if copas:
        yield Side("Copas", ["lua5.2", f"{PEERS}/copas.lua", "{mode}", "{port}"],
                   version=f"lua5.2, {copas}")
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"
    version = first_line([python, "--version"])
    yield Side("asyncio", [python, f"{PEERS}/py_asyncio.py", "{mode}", "{port}"],
               version=version)
    yield Side("Python threads", [python, f"{PEERS}/py_threads.py", "{mode}", "{port}"],
               version=version)
    if shutil.which("node"):
        yield Side("Node", ["node", f"{PEERS}/node.js", "{mode}", "{port}"],
                   version=first_line(["node", "--version"]))
    go = go_server()
    if go:
        yield Side("Go", [go, "{mode}", "{port}"], version=first_line(["go", "version"]))


# --- processes ------------------------------------------------------------------------

def pin(cores):
    """A preexec_fn that binds the child to these cores."""
    return lambda: os.sched_setaffinity(0, cores)


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(mode, port):
    """True when the server upper-cases."""
    kind = socket.SOCK_DGRAM if mode == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as s:
        s.settimeout(1)
        try:
            s.connect(("127.0.0.1", port))
            s.send(b"ready?\n")
            return s.recv(100) == b"READY?\n"
        except OSError:
            return False


class Server:
    """A running server; a context."""

    def __init__(self, side, mode, cores):
        kind = socket.SOCK_DGRAM if mode == "udp" else socket.SOCK_STREAM
        self.mode, self.port = mode, free_port(kind)
        with open(OUT / "server.log", "w") as log:
            self.process = subprocess.Popen(
                side.argv(mode, self.port), preexec_fn=pin(cores), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log)
        self.pid = self.process.pid

    def __enter__(self):
        limit = time.monotonic() + 15
        while not answers(self.mode, self.port):
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
        for line in file_text(f"/proc/{self.pid}/status").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("no VmRSS")


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


# --- statistics -----------------------------------------------------------------------

class Spread:
    """The median of some figures with the smallest and the largest."""

    def __init__(self, values):
        self.values = list(values)
        self.median = statistics.median(self.values)
        self.low, self.high = min(self.values), max(self.values)

    def text(self, digits=2):
        return (f"{self.median:,.{digits}f} "
                f"({self.low:,.{digits}f}–{self.high:,.{digits}f})")

    def json(self):
        return {"median": self.median, "low": self.low, "high": self.high,
                "values": self.values}


def ratios(rounds, name, figure, base=BASE):
    """One ratio for each round that has both sides."""
    return Spread(r[name][figure] / r[base][figure] for r in rounds
                  if name in r and base in r)


def order(names, number):
    """The base and soquete stay neighbours; each second round goes backwards."""
    return list(names) if number % 2 == 0 else list(reversed(names))


# --- what is measured -----------------------------------------------------------------

def measure_once(side, mode, clients, cores, opt):
    with Server(side, mode, cores[0]) as server:
        got = load(server, mode, clients, cores[1], opt, seconds=opt.seconds,
                   warmup=opt.warmup, pid=server.pid)
    requests = max(1, got["requests"])
    got["cpu_us"] = got["server_cpu_ns"] / 1000 / requests
    got["busy_rate"] = 1e9 * requests / (got["server_cpu_ns"] + got["load_cpu_ns"])
    return got


def alternate(chosen, mode, clients, cores, opt):
    """All rounds of one scenario: a list of {side: figures}."""
    rounds, names = [], [s.name for s in chosen]
    by_name = {s.name: s for s in chosen}
    for number in range(opt.rounds):
        found = {}
        for name in order(names, number):
            found[name] = measure_once(by_name[name], mode, clients, cores, opt)
        rounds.append(found)
        told = {n: f"{found[n]['busy_rate'] / found[BASE]['busy_rate']:.2f}"
                for n in names}
        print(f"  {mode} {clients} clients, round {number + 1}: "
              + " ".join(f"{n} {v}" for n, v in told.items()), flush=True)
    return rounds


def scenario(title, chosen, mode, clients, cores, opt):
    rounds = alternate(chosen, mode, clients, cores, opt)
    rows = []
    for side in chosen:
        figures = [r[side.name] for r in rounds]
        rows.append({
            "side": side.name,
            "rate_ratio": ratios(rounds, side.name, "rate").json(),
            "busy_ratio": ratios(rounds, side.name, "busy_rate").json(),
            "cpu_ratio": ratios(rounds, side.name, "cpu_us").json(),
            "rate": Spread(f["rate"] for f in figures).json(),
            "cpu_us": Spread(f["cpu_us"] for f in figures).json(),
            "p50_us": Spread(f["p50_us"] for f in figures).json(),
            "p99_us": Spread(f["p99_us"] for f in figures).json(),
            "errors": sum(f["errors"] for f in figures),
            "lost": sum(f["lost"] for f in figures),
            "congestion": sorted({f["congestion"] for f in figures}),
        })
    return {"title": title, "mode": mode, "clients": clients, "size": opt.size,
            "cores": [sorted(c) for c in cores], "rows": rows}


def measure_idle(side, opt):
    """What each of many held connections adds to the resident memory."""
    with Server(side, "lines", {opt.cores[-1]}) as server:
        before = server.resident_kib()
        argv = load_argv(server, "idle", opt.idle, opt)
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as holder:
            if holder.stdout.readline().strip() != "open":
                return {"side": side.name, "rest_kib": before}
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
    return {"side": side.name, "rest_kib": before, "opened_bytes": (opened - before) * each,
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


def count_calls(side, mode, opt):
    """System calls by name of a fixed number of requests, start and end excluded: the
    difference between a long and a short run."""
    clients = 16 if mode == "udp" else 50
    counts = []
    for lines in (20, 120):
        log = OUT / "strace.log"
        with Server(side, mode, set(opt.cores)) as server:
            tracer = subprocess.Popen(
                ["strace", "-f", "-c", "-U", "calls,name", "-o", log, "-p",
                 str(server.pid)], stderr=subprocess.PIPE)
            with tracer:
                tracer.stderr.readline()  # "attached"
                load(server, mode, clients, set(opt.cores), opt, count=lines)
                tracer.send_signal(signal.SIGINT)
        found = re.findall(r"^\s*(\d+)\s+(\w+)\s*$", log.read_text(), re.M)
        counts.append({name: int(calls) for calls, name in found if name != "total"})
    short, long = counts
    each = clients * 100
    return {name: (long[name] - short.get(name, 0)) / each for name in sorted(long)
            if abs(long[name] - short.get(name, 0)) / each >= 0.005}


# --- the machine ----------------------------------------------------------------------

def machine():
    cpu = re.search(r"^model name\s*:\s*(.*)$", file_text("/proc/cpuinfo"), re.M)
    name = re.search(r'^PRETTY_NAME="(.*)"$', file_text("/etc/os-release"), re.M)
    memory = re.search(r"MemTotal:\s*(\d+)", file_text("/proc/meminfo"))
    return {"cpu": cpu.group(1) if cpu else platform.processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(int(memory.group(1)) / 2**20, 1) if memory else None,
            "kernel": platform.release(),
            "distribution": name.group(1) if name else "unknown",
            "congestion": file_text("/proc/sys/net/ipv4/tcp_congestion_control"),
            "compiler": first_line(["gcc", "--version"]),
            "date": time.strftime("%Y-%m-%d"),
            "commit": first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]),
            "load_before": os.getloadavg()[0]}


def enter_namespace():
    """Starts this program anew in a network namespace with one congestion control."""
    inner = os.environ.get("BENCH_NAMESPACE")
    if inner == "inside":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        try:
            Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text(CONGESTION)
        except OSError as error:
            print(f"bench: congestion control stays as it is: {error}")
        return
    flags = ["-n"] if os.geteuid() == 0 else ["-r", "-n"]
    if subprocess.run(["unshare", *flags, "true"], capture_output=True).returncode != 0:
        print("bench: no namespace can be had; the system's congestion control is used")
        return
    os.environ["BENCH_NAMESPACE"] = "inside"
    os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])


# --- words ----------------------------------------------------------------------------

def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def spread_text(s, digits=2):
    return f"{s['median']:,.{digits}f} ({s['low']:,.{digits}f}–{s['high']:,.{digits}f})"


def scenario_words(s):
    cores = s["cores"]
    where = ("server and load on one core" if cores[0] == cores[1]
             else "server on one core, load on another")
    rows = [[r["side"], spread_text(r["rate_ratio"]), spread_text(r["busy_ratio"]),
             spread_text(r["cpu_ratio"]),
             f"{r['rate']['median']:,.0f}", f"{r['cpu_us']['median']:.2f}",
             f"{r['p50_us']['median']:,.0f}", f"{r['p99_us']['median']:,.0f}"]
            for r in s["rows"]]
    errors = sum(r["errors"] for r in s["rows"])
    lost = sum(r["lost"] for r in s["rows"])
    note = f"{s['clients']} clients, {s['size']} B, {where}. Wrong answers: {errors}."
    if s["mode"] == "udp":
        note += f" Datagrams sent again after a second without an answer: {lost}."
    return [f"## {s['title']}", "", note, ""] + table(
        ["server", f"rate / {BASE}", f"per busy second / {BASE}", f"server CPU / {BASE}", "requests/s",
         "CPU µs/request", "p50 µs", "p99 µs"], rows)


def idle_words(idle, count):
    rows = [[i["side"], f"{i['rest_kib'] / 1024:.2f}"] + [
        f"{i[name]:,.0f}" if name in i else "cannot hold so many"
        for name in ("opened_bytes", "answered_bytes")] for i in idle]
    return ["## Memory", "",
            f"Resident memory at rest, and its growth for each of {count:,} connections that "
            "are held open: after they were accepted, and after each has had one line "
            "answered. Everything is included but the kernel's own memory.", ""] + table(
        ["server", "at rest, MiB", "opened, B each", "answered once, B each"], rows)


def start_words(rows):
    return ["## Start-up", "", "An empty program, from fork to end.", ""] + table(
        ["program", "ratio to lua5.4", "ms"],
        [[r["side"], spread_text(r["ratio"]), spread_text(r["ms"])] for r in rows])


def calls_words(calls):
    lines = ["## System calls per request", "",
             "Counted by `strace -c`, as the difference between a long run and a short one. "
             "Under strace a server is slow, so that more clients are ready each time it "
             "looks: waits are cheaper here than they are alone, on all sides.", ""]
    rows = [[mode, side, f"{sum(found.values()):.2f}",
             ", ".join(f"{n} {c:.2f}" for n, c in
                       sorted(found.items(), key=lambda item: -item[1]))]
            for mode, by_side in calls.items() for side, found in by_side.items()]
    return lines + table(["mode", "server", "calls", "which"], rows)


def machine_words(m, versions, opt):
    lines = ["## The machine, and how to repeat this", "",
             f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, Linux {m['kernel']}, "
             f"{m['distribution']}, {m['compiler']}. Congestion control of both sides: "
             f"{m['congestion']}. Load average before: {m['load_before']:.2f}. "
             f"{m['date']}, commit {m['commit']}.", "",
             "```sh", "make bench-deps", f"make bench ROUNDS={opt.rounds}"
             + (f" ONLY={opt.only}" if opt.only else ""), "```", "",
             f"Each round starts every server anew, warms it up for {opt.warmup} s and "
             f"measures for {opt.seconds} s; {opt.rounds} rounds, each second one in the "
             "opposite order. A figure is the median of the rounds, with the smallest and "
             "the largest in brackets; a ratio is taken within its round. The generator is "
             "`tests/bench/load.c`: a closed loop over io_uring that compares every byte of "
             "every answer. CPU is the server's processor time, in user and kernel mode, of "
             "all its threads, divided by the requests of the same time. The rate per busy "
             "second divides by the processor time of server and generator together: on one "
             "core it is the rate, less what other programs took meanwhile.", ""]
    rows = [[s.name, s.version or "", "`" + " ".join(s.argv("lines", "PORT")).replace(
        str(ROOT) + "/", "") + "`"] for s in versions]
    return lines + table(["server", "version", "command"], rows)


def document(results, chosen, opt):
    lines = ["# Benchmarks", "",
             "Written by `make bench`; do not edit. The limits are bare C programs of the "
             "bench: `epoll_server.c` and `uring_server.c`. Ratios carry over to other "
             "machines, absolute figures do not.", ""]
    for s in results.get("scenarios", []):
        lines += scenario_words(s)
    if "idle" in results:
        lines += idle_words(results["idle"], opt.idle)
    if "start" in results:
        lines += start_words(results["start"])
    if "calls" in results:
        lines += calls_words(results["calls"])
    lines += machine_words(results["machine"], chosen, opt)
    return "\n".join(lines).rstrip() + "\n"


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
            add(scenario("Kept-open connections on two cores", knows("lines")[:3], "lines",
                         200, two, opt))
    if "requests" in opt.sections:
        add(scenario("A connection per request", knows("requests"), "requests", 50, one,
                     opt))
    if "udp" in opt.sections:
        add(scenario("UDP request and response", knows("udp"), "udp", 50, one, opt))


def main():
    opt = arguments()
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
        results["calls"] = {mode: {s.name: count_calls(s, mode, opt) for s in chosen[:2]}
                            for mode in ("lines", "requests", "udp")}
    (OUT / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    whole = not (opt.only or opt.sides or opt.against)
    target = Path(opt.document) if opt.document else (
        ROOT / "docs/benchmarks.md" if whole else OUT / "benchmarks.md")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(document(results, chosen, opt))
    print(f"written: {target.relative_to(ROOT) if target.is_relative_to(ROOT) else target}"
          f" and build/bench/results.json")


if __name__ == "__main__":
    main()
