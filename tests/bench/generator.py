"""The generator, load.c, as the tests run it."""
import json
import subprocess

from place import PROGRAMS

LOAD = str(PROGRAMS / "tests/bench/load")


def load(port, mode="lines", **words):
    """The ended process, and what it measured, or None."""
    argv = [LOAD, "--port", str(port), "--mode", mode]
    for name, value in words.items():
        argv += [f"--{name}", str(value)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    return done, json.loads(done.stdout) if done.stdout else None
