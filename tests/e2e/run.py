#!/usr/bin/env python3
"""Runs the end-to-end tests: the program against programs that we did not write.

    tests/e2e/run.py [--soquete PATH] [-k PATTERN] [-j N] [-v]

Prints each failing test, and as its last line "N passed, N failed, N skipped". A peer that
is not installed is a counted skip; with CI=true in the environment a skip is a failure.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import signal
import sys
import threading
import time
import traceback
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import harness  # noqa: E402
import peers  # noqa: E402

TEST_LIMIT = 120 * harness.SLOW  # seconds; then its programs are killed, so that its waits end


class Outcome(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.notes = []

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.notes.append(reason)


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def overdue(test, fate):
    """Ends what a stuck test waits for."""
    fate.append("took too long")
    for program in getattr(test, "programs", []):
        if program.is_running():
            program.process.kill()


def run_one(test):
    outcome, fate = Outcome(), []
    guard = threading.Timer(TEST_LIMIT, overdue, (test, fate))
    guard.daemon = True
    guard.start()
    begin = time.monotonic()
    try:
        test.run(outcome)
    except Exception:  # of the runner itself: a test's own are in the outcome
        outcome.errors.append((test, traceback.format_exc()))
    guard.cancel()
    if fate:
        outcome.errors.append((test, f"the test took more than {TEST_LIMIT} s"))
    return test, outcome, time.monotonic() - begin


def select(pattern):
    here = os.path.dirname(os.path.abspath(__file__))
    tests = list(flatten(unittest.defaultTestLoader.discover(here, "test_*.py")))
    if pattern:
        wanted = pattern if "*" in pattern else f"*{pattern}*"
        tests = [t for t in tests if fnmatch.fnmatch(t.id(), wanted)]
    # Those that wait for seconds come first: the others fill the time.
    return sorted(tests, key=lambda t: not getattr(getattr(t, t._testMethodName, None), "slow", 0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--soquete", default=harness.soquete)
    parser.add_argument("-k", metavar="PATTERN", default="")
    parser.add_argument("-j", metavar="N", type=int, default=4, help="tests at once")
    parser.add_argument("-v", action="store_true", help="name every test")
    options = parser.parse_args()
    harness.soquete = os.path.abspath(options.soquete)
    if not os.access(harness.soquete, os.X_OK):
        sys.exit(f"there is no program {harness.soquete}: run make first")

    passed = failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        jobs = [pool.submit(run_one, test) for test in select(options.k)]
        for job in concurrent.futures.as_completed(jobs):
            test, outcome, seconds = job.result()
            problems = outcome.errors + outcome.failures
            if problems:
                failed += 1
                print(f"FAIL {test.id()}", *[text for _, text in problems], sep="\n", flush=True)
            elif outcome.skipped:
                skipped += 1
                print(f"skip {test.id()}: {', '.join(outcome.notes)}", flush=True)
            else:
                passed += 1
                if options.v:
                    print(f"ok   {test.id()} ({seconds:.1f} s)", flush=True)
    peers.remove_java_classes()
    bad = failed or not passed + skipped or (skipped and os.environ.get("CI") == "true")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if bad else 0


if __name__ == "__main__":
    # In a shell's background both are ignored, which the programs under test would inherit.
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    sys.exit(main())
