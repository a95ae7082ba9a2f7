"""Which backend the program uses, what it says of it, and how it waits: seen from outside."""

import os
import re

import harness
from harness import Case

# A stream that waits three times for nothing.
WAITS = """
local net = require "net"
local server <close> = assert(net.listen("127.0.0.1:0"))
local client <close> = assert(net.connect(server:getsockname()))
local conn <close> = assert(server:accept())
conn:settimeout(0.03)
for _ = 1, 3 do assert(select(3, conn:recv(10)) == "timeout") end
print("done")
"""

# A connection waits for epoll while it is opened, and then for a hundred answers.
ECHOES = """
local net = require "net"
local server <close> = assert(net.listen("127.0.0.1:0"))
local client <close> = assert(net.connect(server:getsockname()))
local conn <close> = assert(server:accept())
net.spawn(function() for _ = 1, 100 do conn:send(conn:recv(10)) end end)
for _ = 1, 100 do
  client:send("x")
  assert(client:recv(10) == "x")
end
"""

SLEEPS = r"epoll_pwait2\(|epoll_wait\(.*, (?!0\))-?\d+\)|io_uring_enter\(\d+, \d+, 1,"
LOOKS = r"epoll_wait\(.*, 0\)|io_uring_enter\(\d+, \d+, 0,"


class Traced(Case):
    def traced(self, *argv, inject=()):
        """Runs the program under strace: how it ends, and its calls."""
        self.need_strace()
        log = os.path.join(self.folder, "log")
        calls = "trace=epoll_wait,epoll_pwait,epoll_pwait2,io_uring_setup,io_uring_enter"
        words = ["strace", "-f", "-qq", "-o", log, "-e", calls]
        for what in inject:
            words += ["-e", "inject=" + what]
        quiet = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # it cannot look under ptrace
        result = self.run_program(*words, harness.soquete, *argv, env=quiet)
        with open(log, encoding="utf-8", errors="replace") as f:
            return result, f.read()

    def has_uring(self):
        return "io_uring is there" in self.run_soquete("--version").out


class Refusals(Traced):
    # What the system answers, and what the program says.
    REASONS = {
        "ENOSYS": "this kernel has none",
        "EPERM": "it is not allowed (seccomp, or sysctl kernel.io_uring_disabled)",
        "ENOMEM": "no memory for it (or a limit of locked memory, ulimit -l)",
        "EINVAL": "this kernel's lacks what is needed",
    }

    def test_the_version_says_why_there_is_no_io_uring(self):
        for error, reason in self.REASONS.items():
            result, _ = self.traced("--version", inject=[f"io_uring_setup:error={error}"])
            self.assertIn(f"backend: epoll; io_uring is not to be had: {reason}", result.out)

    def test_the_version_says_which_backend_would_be_used(self):
        best = "uring" if self.has_uring() else "epoll"
        for name in ("auto", "epoll", best):
            told = "backend: " + (best if name == "auto" else name)
            self.assertIn(told, self.run_soquete("--backend", name, "--version").out)
            env = {**os.environ, "SOQUETE_BACKEND": name}
            self.assertIn(told, self.run_soquete("--version", env=env).out)
        self.assertEnds(self.run_soquete("--backend", "kqueue", "--version"), 2,
                        err="soquete: there is no backend 'kqueue', but auto, epoll and uring\n")

    def test_who_names_io_uring_is_told_why_there_is_none(self):
        for error, reason in self.REASONS.items():
            result, _ = self.traced("--backend", "uring", "-e", "print(1)",
                                    inject=[f"io_uring_setup:error={error}"])
            self.assertEnds(result, 1, "", err="soquete: cannot set up the event loop with "
                                               f"io_uring: {reason}\n")

    def test_auto_goes_on_without_a_word(self):
        for error in self.REASONS:
            result, calls = self.traced("--backend", "auto", self.file("main.lua", WAITS),
                                        inject=[f"io_uring_setup:error={error}"])
            self.assertEnds(result, 0, "done\n")
            self.assertNotIn("io_uring_enter", calls)


class Waiting(Traced):
    def waits(self, *options):
        """How often the program sleeps, and looks without sleeping."""
        result, calls = self.traced(*options, self.file("main.lua", WAITS))
        self.assertEnds(result, 0, "done\n")
        return len(re.findall(SLEEPS, calls)), len(re.findall(LOOKS, calls))

    def backends(self):
        return ["epoll", "uring"] if self.has_uring() else ["epoll"]

    def test_a_script_that_never_waits_sets_no_ring_up(self):
        _, calls = self.traced("--backend", "auto", "-e", "print(1)")
        self.assertNotIn("io_uring_setup", calls)

    def test_io_uring_is_set_up_by_the_first_stream_that_waits(self):
        if self.has_uring():
            _, calls = self.traced("--backend", "uring", self.file("main.lua", WAITS))
            self.assertRegex(calls, SLEEPS)
            self.assertIn("io_uring_enter", calls)

    def test_what_comes_for_a_client_is_told_by_the_ring_alone(self):
        if self.has_uring():
            _, calls = self.traced("--backend", "uring", self.file("main.lua", ECHOES))
            self.assertLess(calls.count("epoll_wait("), 20)

    def test_without_a_spin_each_wait_sleeps(self):
        for backend in self.backends():
            sleeps, _ = self.waits("--backend", backend)
            self.assertGreaterEqual(sleeps, 3, backend)

    def test_a_spin_looks_again_and_again_before_it_sleeps(self):
        for backend in self.backends():
            sleeps, looks = self.waits("--backend", backend, "--spin", "1000000")
            self.assertEqual(sleeps, 0, backend)
            self.assertGreater(looks, 20, backend)

    def test_a_spin_is_bounded(self):
        for backend in self.backends():
            sleeps, _ = self.waits("--backend", backend, "--spin", "1")
            self.assertGreaterEqual(sleeps, 3, backend)

    def test_a_spin_that_is_none_is_refused(self):
        for word in ("x", "-1", "", "1.5", "1000001", "99999999999999999999"):
            result = self.run_soquete("--spin", word, "-e", "print(1)")
            self.assertEnds(result, 2, err="--spin takes 0 to 1000000 microseconds, not")
        self.assertEnds(self.run_soquete("--spin"), 2, err="--spin needs microseconds after it")
        self.assertEnds(self.run_soquete("--spin", "0", "-e", "print(1)"), 0, "1\n")
