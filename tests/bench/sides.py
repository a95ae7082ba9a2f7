"""The servers that are measured beside each other."""
import os
import shutil
import socket
import subprocess

from place import BENCH, OUT, PEERS, PROGRAMS, first_line

BASE = "C epoll"
BARE_URING = "C io_uring"
URING = "soquete io_uring"
BLOCKING = "C blocking"
LEADERS = (BASE, "soquete", URING, "before", BARE_URING)  # where not all are measured
SPIN_US = 50


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


class Side:
    """A server: its command line for each mode it knows."""

    def __init__(self, name, command, modes=("lines", "requests", "udp"), version=None):
        self.name, self.command, self.modes, self.version = name, command, modes, version

    def argv(self, mode, port):
        return [word.format(mode=mode, port=port) for word in self.command]

    def ready(self, mode, port):
        return answers(mode, port)


def printed(argv):
    """What a program prints, or None where it fails or is not there."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def lua_module(lua, module, expression):
    """The version of a Lua module, or None where it is not installed."""
    return printed([lua, "-e", f"local m = require '{module}'; print({expression})"])


def go_server():
    go = shutil.which("go")
    if not go:
        return None
    target = OUT / "go_server"
    environment = dict(os.environ, GO111MODULE="off", GOCACHE=str(OUT / "go-cache"))
    subprocess.run([go, "build", "-o", target, PEERS / "server.go"], env=environment,
                   check=True)
    return str(target)


def soquete_side(name, backend, *options):
    program = str(PROGRAMS / "soquete")
    return Side(name, [program, "--backend", backend, *options, str(BENCH) + "/{mode}.lua",
                       "{port}"], version=first_line([program, "--version"]))


def has_uring():
    """True where the kernel lets soquete have it."""
    done = subprocess.run([PROGRAMS / "soquete", "--version"], capture_output=True, text=True)
    return "io_uring is there" in done.stdout


def lone_sides():
    """Servers of one connection: what looks before it sleeps beside what sleeps."""
    tests, spin = PROGRAMS / "tests/bench", ("--spin", str(SPIN_US))
    yield Side(BLOCKING, [f"{tests}/blocking_server", "{mode}", "{port}"], modes=("lines",))
    yield Side(BASE, [f"{tests}/epoll_server", "{mode}", "{port}"])
    yield soquete_side("soquete", "epoll")
    yield soquete_side("soquete, spin", "epoll", *spin)
    if has_uring():
        yield soquete_side(URING, "uring")
        yield soquete_side(f"{URING}, spin", "uring", *spin)


def sides(against=""):
    tests = PROGRAMS / "tests/bench"
    yield Side(BASE, [f"{tests}/epoll_server", "{mode}", "{port}"])
    yield soquete_side("soquete", "epoll")
    if has_uring():
        yield soquete_side(URING, "uring")
    if against:
        yield Side("before", [against, str(BENCH) + "/{mode}.lua", "{port}"],
                   version=first_line([against, "--version"]))
    yield Side(BARE_URING, [f"{tests}/uring_server", "{mode}", "{port}"])
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
    on_asyncio = [python, f"{PEERS}/py_asyncio.py", "{mode}", "{port}"]
    yield Side("asyncio", on_asyncio, version=version)
    uvloop = printed([python, "-c", "import uvloop; print(uvloop.__version__)"])
    if uvloop:
        yield Side("uvloop", [*on_asyncio, "uvloop"], version=f"{version}, uvloop {uvloop}")
    yield Side("Python threads", [python, f"{PEERS}/py_threads.py", "{mode}", "{port}"],
               version=version)
    if shutil.which("node"):
        yield Side("Node", ["node", f"{PEERS}/node.js", "{mode}", "{port}"],
                   version=first_line(["node", "--version"]))
    go = go_server()
    if go:
        yield Side("Go", [go, "{mode}", "{port}"], version=first_line(["go", "version"]))
