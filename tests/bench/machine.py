"""The machine, and the network namespace that the bench runs in."""
import contextlib
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from place import ROOT, file_text, first_line

CONGESTION = "reno"
CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")
# the machine's own: of the namespace in which the bench was started
DEFAULT = os.environ.get("BENCH_DEFAULT_CONGESTION") or file_text(CONTROL)


def machine():
    cpu = re.search(r"^model name\s*:\s*(.*)$", file_text("/proc/cpuinfo"), re.M)
    name = re.search(r'^PRETTY_NAME="(.*)"$', file_text("/etc/os-release"), re.M)
    memory = re.search(r"MemTotal:\s*(\d+)", file_text("/proc/meminfo"))
    return {"cpu": cpu.group(1) if cpu else platform.processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(int(memory.group(1)) / 2**20, 1) if memory else None,
            "kernel": platform.release(),
            "distribution": name.group(1) if name else "unknown",
            "congestion": file_text(CONTROL),
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
            CONTROL.write_text(CONGESTION)
        except OSError as error:
            print(f"bench: congestion control stays as it is: {error}")
        return
    flags = ["-n"] if os.geteuid() == 0 else ["-r", "-n"]
    if subprocess.run(["unshare", *flags, "true"], capture_output=True).returncode != 0:
        print("bench: no namespace can be had; the system's congestion control is used")
        return
    os.environ["BENCH_NAMESPACE"] = "inside"
    os.environ["BENCH_DEFAULT_CONGESTION"] = file_text(CONTROL)
    os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])


@contextlib.contextmanager
def congestion(name):
    """What connections that are opened meanwhile use; None leaves it. Outside a namespace
    of its own the bench does not touch the system's."""
    if name is None or os.environ.get("BENCH_NAMESPACE") != "inside":
        yield
        return
    CONTROL.write_text(name)
    try:
        yield
    finally:
        CONTROL.write_text(CONGESTION)
