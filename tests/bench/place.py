"""Where things are, and how programs tell their versions."""
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "tests/bench"
PEERS = BENCH / "peers"
OUT = ROOT / "build/bench"
PROGRAMS = ROOT / os.environ.get("BENCH_PROGRAMS", "build/release")


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
