"""The bench's one-way sections: bulk TCP, data that is read, the lecture's plain loop,
datagrams, relays, what the other tasks of a process wait beside a transfer; and connects.

Each has a bare C pair as its base, and is measured with both ends on one core, then with a
core for each; connects on one core. Bytes of TCP, connects and processor time are those that
the kernel counts, the same for every side; datagrams are counted by their receivers."""
import os
import re
import shutil
import subprocess
from types import SimpleNamespace

import machine
from figures import Spread, alternate, one_by_one, ratios
from pairs import ENDLESS, Connects, Datagrams, Delay, Iperf3Datagrams, Pair, Sender
from place import BENCH, OUT, PEERS, PROGRAMS, ROOT
from sides import BARE_URING, BASE, URING, has_uring, lua_module

SECTIONS = ("bulk", "read", "plain", "datagrams", "relay", "delay", "connect")
SOQUETE = PROGRAMS / "soquete"
BULK_PAIR = PROGRAMS / "tests/bench/bulk_pair"
DATAGRAM_PAIR = PROGRAMS / "tests/bench/datagram_pair"
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
IPERF3 = ["iperf3", "-4", "-p", "{port}"]
HAPROXY_CONF = """
global
  nbthread 1
  tune.pipesize 1048576
defaults
  mode tcp
  option splice-request
  option splice-response
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind "127.0.0.1:${VIA}"
  server receiver "127.0.0.1:${PORT}"
"""


def number_of(argv):
    """A program's version: the first number with a point that it prints."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found.group() if found else "unknown"


def versions():
    """Those of the peers that are installed."""
    asked = {"iperf3": ["iperf3", "--version"], "socat": ["socat", "-V"],
             "HAProxy": [HAPROXY, "-v"], "python3": [PYTHON, "--version"],
             "Node": ["node", "--version"]}
    found = {name: number_of(argv) for name, argv in asked.items()
             if argv[0] and shutil.which(argv[0])}
    modules = {"LuaSocket": lua_module("lua5.4", "socket", "m._VERSION:match('%S+$')"),
               "libuv of luv": lua_module("lua5.4", "luv", "m.version_string()")}
    return {**found, **{name: number for name, number in modules.items() if number}}


# --- who takes part -------------------------------------------------------------------

def c_pair(name, way, *size):
    return Pair(name, [BULK_PAIR, "receive", way, "{port}"],
                [BULK_PAIR, "send", way, "{port}", ENDLESS, *size])


def lua_pair(name, way, program=SOQUETE):
    script = BENCH / "bulk.lua"
    return Pair(name, [program, script, "receive", way, "{port}"],
                [program, script, "send", way, "{port}"])


def ours(way, opt):
    yield lua_pair("soquete", way)
    if opt.against:
        yield lua_pair("before", way, opt.against)


def peer_pair(name, *command, **more):
    return Pair(name, [*command, "receive", "{port}"], [*command, "send", "{port}"], **more)


def iperf3(name, *options):
    return Pair(name, [*IPERF3, "-s", "-B", "127.0.0.1"],
                [*IPERF3, "-c", "127.0.0.1", "-t", ENDLESS, *options])


def tool(name, *options):
    """The measuring tool itself, with its reporting."""
    command = [SOQUETE, "throughput"]
    return Pair(name, [*command, "server", "--bind", "127.0.0.1", "--port", "{port}"],
                [*command, "127.0.0.1", "--port", "{port}", "--time", ENDLESS, *options])


def iperf3_best(cores, opt):
    """The fastest of the settings that the installed iperf3 has, each tried once."""
    known = subprocess.run(["iperf3", "--help"], capture_output=True, text=True).stdout
    settings = [[], ["-l", "1M"], ["-l", "1M", "-Z"], ["-Z"]]
    if "--skip-rx-copy" in known:
        settings += [[*s, "--skip-rx-copy"] for s in settings]
    tried = {tuple(s): iperf3("", *s).measure(cores, opt)["busy_gbits"] for s in settings}
    best = max(tried, key=tried.get)
    return iperf3(" ".join(("iperf3", *best)), *best)


def bulk_sides(opt):
    yield c_pair("C vmsplice, MSG_TRUNC", "free")
    yield from ours("free", opt)
    yield lua_pair("soquete, by vmsplice", "vmsplice")
    yield lua_pair("soquete, by send", "send")
    if shutil.which("iperf3"):
        best = iperf3_best(({opt.cores[-1]}, {opt.cores[-1]}), opt)
        yield best
        if best.name != "iperf3":
            yield iperf3("iperf3")
        yield iperf3("iperf3 -P 9", "-P", "9")
    yield tool("soquete throughput")
    yield tool("soquete throughput -P 9", "-P", "9")
    yield peer_pair(f"python3, {machine.DEFAULT}", PYTHON, PEERS / "throughput.py",
                    congestion=machine.DEFAULT)


def read_sides(opt):
    yield c_pair("C send, recv", "copy")
    yield from ours("copy", opt)


def plain_sides(opt):
    yield c_pair("C send, recv", "plain")
    yield from ours("plain", opt)
    yield peer_pair("python3", PYTHON, PEERS / "throughput.py")
    if shutil.which("node"):
        yield peer_pair("Node", "node", PEERS / "throughput.js")
    if lua_module("lua5.4", "socket", "m._VERSION"):
        yield peer_pair("LuaSocket", "lua5.4", PEERS / "throughput_luasocket.lua")
    if lua_module("lua5.4", "luv", "m.version_string()"):
        yield peer_pair("luv", "lua5.4", PEERS / "throughput_luv.lua")


def datagram_sides(_):
    words = ["{port}", "{warmup}", "{seconds}"]
    yield Datagrams("C UDP_SEGMENT, UDP_GRO", [DATAGRAM_PAIR, "receive", "offload", *words],
                    [DATAGRAM_PAIR, "send", "offload", "{port}", ENDLESS])
    yield Datagrams("C, the receiver on epoll", [DATAGRAM_PAIR, "receive", "events", *words],
                    [DATAGRAM_PAIR, "send", "offload", "{port}", ENDLESS])
    script = BENCH / "datagrams.lua"
    for name, way in (("soquete", "into"), ("soquete, as strings", "many"),
                      ("soquete send_repeat, discard", "repeat")):
        yield Datagrams(name, [SOQUETE, script, "receive", way, *words],
                        [SOQUETE, script, "send", way, "{port}"])
    if shutil.which("iperf3"):
        yield Iperf3Datagrams("iperf3 -u", [*IPERF3, "-s", "-1", "-J", "-B", "127.0.0.1"],
                              [*IPERF3, "-c", "127.0.0.1", "-u", "-b", 0, "-l", 1472, "-t", 1])


def sendto_sides(_):
    yield Sender("C sendto", [DATAGRAM_PAIR, "send", "plain", "{port}", ENDLESS])
    yield Sender("soquete", [SOQUETE, BENCH / "datagrams.lua", "send", "loop", "{port}"])
    yield Sender("python3", [PYTHON, PEERS / "datagrams.py", "send", "{port}"])


def relay_sides(_):
    def through(name, *relay):
        return Pair(name, [BULK_PAIR, "receive", "free", "{port}"],
                    [BULK_PAIR, "send", "copy", "{via}", ENDLESS], list(relay))
    yield through("C splice", PROGRAMS / "tests/bench/splice_proxy", "{via}", "{port}")
    yield through("soquete", SOQUETE, ROOT / "scripts/07-proxy.lua", "{via}",
                  "127.0.0.1", "{port}")
    if shutil.which("socat"):
        yield through("socat", "socat", "-b", 262144, "TCP-LISTEN:{via},bind=127.0.0.1",
                      "TCP:127.0.0.1:{port}")
    if HAPROXY:
        (OUT / "haproxy.cfg").write_text(HAPROXY_CONF)
        yield through("HAProxy", "env", "VIA={via}", "PORT={port}", HAPROXY, "-db",
                      "-f", OUT / "haproxy.cfg")


def delay_sides(_):
    yield Delay("alone", "alone")
    receive = [BULK_PAIR, "receive", "free", "{port}"]
    yield Delay("beside a loop of send", "loop", receive)
    yield Delay("beside send_repeat", "send_repeat", receive)
    yield Delay("beside discard", "discard",
                send=[BULK_PAIR, "send", "free", "{via}", ENDLESS])
    yield Delay("beside a relay", "relay", receive,
                [BULK_PAIR, "send", "copy", "{via}", ENDLESS])


def connect_sides(opt):
    client, script = PROGRAMS / "tests/bench/connect_client", BENCH / "connect.lua"
    yield Connects(BASE, [client, "epoll"])
    yield Connects("soquete", [SOQUETE, "--backend", "epoll", script])
    if has_uring():
        yield Connects(URING, [SOQUETE, "--backend", "uring", script])
    if opt.against:
        yield Connects("before", [opt.against, "--backend", "epoll", script])
    yield Connects(BARE_URING, [client, "uring"])
    if lua_module("lua5.4", "luv", "m.version_string()"):
        yield Connects("luv", ["lua5.4", PEERS / "connect_luv.lua"])
    yield Connects("asyncio", [PYTHON, PEERS / "connect.py"])
    if shutil.which("node"):
        yield Connects("Node", ["node", PEERS / "connect.js"])


# --- what is measured -----------------------------------------------------------------

# section, title, sides, the figure of the ratios and the one per busy second
PARTS = [
    SimpleNamespace(section="bulk", title="Bulk TCP", sides=bulk_sides, rate="gbits",
                    busy="busy_gbits"),
    SimpleNamespace(section="read", title="TCP, every byte read", sides=read_sides,
                    rate="gbits", busy="busy_gbits"),
    SimpleNamespace(section="plain", title="The lecture's loop of 8 KiB", sides=plain_sides,
                    rate="gbits", busy="busy_gbits"),
    SimpleNamespace(section="datagrams", title="Datagrams of 1,472 bytes",
                    sides=datagram_sides, rate="rate", busy="busy_rate"),
    SimpleNamespace(section="datagrams", title="A loop of sendto", sides=sendto_sides,
                    rate="rate", busy="busy_rate"),
    SimpleNamespace(section="relay", title="Relays", sides=relay_sides, rate="gbits",
                    busy="busy_gbits"),
    SimpleNamespace(section="delay", title="What a task waits beside a transfer",
                    sides=delay_sides, rate="p99_us", busy="p50_us"),
    SimpleNamespace(section="connect", title="Connects", sides=connect_sides,
                    rate="connects", busy="busy_rate", places=1),
]


def rows_of(part, chosen, rounds):
    base = chosen[0].name
    rows = []
    for side in chosen:
        figures = [r[side.name] for r in rounds]
        numbers = [k for k, v in figures[0].items() if not isinstance(v, str)]
        rows.append({
            "side": side.name, "commands": side.commands(),
            "rate_ratio": ratios(rounds, side.name, part.rate, base).json(),
            "busy_ratio": ratios(rounds, side.name, part.busy, base).json(),
            "congestion": sorted({f.get("congestion", "") for f in figures}),
            "figures": {k: Spread(f[k] for f in figures).json() for k in numbers},
        })
        if "soquete" in rounds[0]:
            rows[-1]["ahead"] = ratios(rounds, "soquete", part.rate, side.name).json()
    return rows


def measure(opt, core_pairs):
    """A list of scenarios: each part for each pair of (receiver's cores, sender's), or the
    first `places` of them."""
    found = []
    for part in PARTS:
        if part.section not in opt.sections:
            continue
        chosen = list(part.sides(opt))
        if opt.sides:
            wanted = (*opt.sides.split(","), chosen[0].name, "before")
            chosen = [side for side in chosen if side.name in wanted]
        for cores in core_pairs[:getattr(part, "places", None)]:
            where = "one core" if cores[0] == cores[1] else "two cores"
            rounds = alternate(chosen, opt.rounds,
                               one_by_one(lambda side: side.measure(cores, opt)),
                               f"{part.title}, {where}", part.rate, chosen[0].name)
            found.append({"section": part.section, "title": part.title, "base":
                          chosen[0].name, "cores": [sorted(c) for c in cores],
                          "rows": rows_of(part, chosen, rounds)})
    return found
