"""What every end-to-end test uses: programs that run beside the test, with deadlines.

A Case starts programs, talks to them and ends them. Each wait has a limit, nothing sleeps
to be in step with another program, and every port is chosen by the kernel.
"""

import functools
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = os.path.join(ROOT, "scripts")
SLOW = int(os.environ.get("SLOW", "1"))  # how many times as long a tool makes all take
PATIENCE = 30 * SLOW  # seconds for one step; generous, because sanitizers are slow

# Standard error is compared as a whole, and a sanitizer build may well compute for long. The
# tests of the watchdog switch it on.
os.environ["SOQUETE_WATCHDOG"] = "off"

UNDER_VALGRIND = bool(os.environ.get("UNDER_VALGRIND"))

# A name that nobody has, and no name server is asked for: a label has 63 bytes at most
# (RFC 1035 section 2.3.4).
UNKNOWN_NAME = "x" * 64 + ".invalid"

# Set by run.py.
soquete = os.path.join(ROOT, "build", "soquete")


class Stream:
    """Collects what a program writes, so that a test can wait for a text in it.

    It keeps `owner`, the file object of the descriptor, as long as it reads: the number of
    one that was closed would soon be another test's.
    """

    def __init__(self, pipe, owner=None):
        self.pipe = pipe
        self.owner = owner
        self.data = b""
        self.ended = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self):
        while True:
            try:
                piece = os.read(self.pipe, 65536)
            except OSError:  # a terminal whose last writer has gone gives EIO
                piece = b""
            with self.changed:
                self.data += piece
                self.ended = not piece
                self.changed.notify_all()
            if not piece:
                return

    def text(self):
        return self.data.decode("utf-8", "replace")

    def wait(self, found, patience=PATIENCE):
        """Waits until found(text) gives a true value, and returns that."""
        limit = time.monotonic() + patience
        with self.changed:
            while True:
                result = found(self.text())
                if result:
                    return result
                left = limit - time.monotonic()
                if self.ended or left <= 0:
                    return None
                self.changed.wait(left)


class Program:
    """A program that runs beside the test."""

    def __init__(self, case, argv, stdin=None, stdout=None, stderr=None, **options):
        self.case = case
        self.argv = argv
        options.setdefault("cwd", case.folder)
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if stdin is None else stdin,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE if stderr is None else stderr,
            bufsize=0,
            **options,
        )
        self.pid = self.process.pid
        self.out = self.err = None
        if stdout is None:
            self.out = Stream(self.process.stdout.fileno(), self.process.stdout)
        if stderr is None:
            self.err = Stream(self.process.stderr.fileno(), self.process.stderr)

    def says(self, text, patience=PATIENCE):
        """Waits for a text on standard output."""
        if self.out.wait(lambda all: text in all, patience) is None:
            self.case.fail(f"{self.argv}: no {text!r} in time\n{self.told()}")

    def complains(self, text, patience=PATIENCE):
        """Waits for a text on standard error."""
        if self.err.wait(lambda all: text in all, patience) is None:
            self.case.fail(f"{self.argv}: no {text!r} on stderr in time\n{self.told()}")

    def told(self):
        out = self.out.text() if self.out else ""
        err = self.err.text() if self.err else ""
        return f"stdout: {out[-3000:]!r}\nstderr: {err[-3000:]}"

    def type(self, data):
        """Writes to standard input; a program that does not read any more is no error."""
        try:
            self.process.stdin.write(data.encode() if isinstance(data, str) else data)
        except BrokenPipeError:
            pass

    def end_input(self):
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()

    def signal(self, number):
        self.process.send_signal(number)

    def is_running(self):
        return self.process.poll() is None

    def ends(self, patience=PATIENCE):
        """Waits for the end; the exit status, negative for a signal."""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.case.fail(f"{self.argv} does not end\n{self.told()}")
        for stream in (self.out, self.err):
            if stream:
                stream.thread.join(patience)
        return status

    def kill(self):
        if self.is_running():
            self.process.kill()
        self.process.wait()
        self.end_input()
        for stream, pipe in ((self.out, self.process.stdout), (self.err, self.process.stderr)):
            if stream:
                stream.thread.join(1)
                if not stream.thread.is_alive():
                    pipe.close()


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"status {self.status}\nstdout: {self.out[-3000:]!r}\nstderr: {self.err[-3000:]}"


class Case(unittest.TestCase):
    """A test with programs of its own, and a folder of its own for files."""

    def setUp(self):
        self.programs = []
        self.folder = tempfile.mkdtemp(prefix="soquete-e2e-")
        os.chmod(self.folder, 0o755)  # a test may run the program as another user
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(self.end_programs)

    def end_programs(self):
        for program in self.programs:
            program.kill()
        for program in self.programs:
            report = program.err.text() if program.err else ""
            if "Sanitizer" in report or "runtime error:" in report:
                self.fail(f"{program.argv}: a sanitizer speaks up\n{report[-6000:]}")

    def start(self, *argv, **options):
        """Starts any program."""
        program = Program(self, [str(word) for word in argv], **options)
        self.programs.append(program)
        return program

    def command(self, *args):
        """The command line; the name of one of the course's scripts stands for its path."""
        words = [str(word) for word in args]
        name = re.compile(r"\d\d-[a-z-]+\.lua")
        return [soquete] + [os.path.join(SCRIPTS, w) if name.fullmatch(w) else w for w in words]

    def soquete(self, *args, **options):
        """Starts the program under test."""
        return self.start(*self.command(*args), **options)

    def finish(self, program, text=b"", patience=PATIENCE):
        """Types the text, ends the input and waits for the end: a Result."""
        data = text.encode() if isinstance(text, str) else text
        for at in range(0, len(data), 65536):
            program.type(data[at : at + 65536])
        program.end_input()
        status = program.ends(patience)
        err = program.err.text() if program.err else ""
        return Result(status, program.out.text() if program.out else "", err)

    def run_soquete(self, *args, text=b"", patience=PATIENCE, **options):
        return self.finish(self.soquete(*args, **options), text, patience)

    def run_program(self, *argv, text=b"", patience=PATIENCE, **options):
        return self.finish(self.start(*argv, **options), text, patience)

    def need_files(self):
        """Valgrind 3.19 plays a kernel that does not know openat2(2)."""
        if UNDER_VALGRIND:
            self.skipTest("files beneath a folder are not possible here")

    def need_own_figures(self):
        """Valgrind has descriptors, memory and calls of its own, and is slow."""
        if UNDER_VALGRIND:
            self.skipTest("valgrind's figures would be measured")

    def code(self, text, *args, **options):
        """Runs a piece of Lua from a file."""
        return self.run_soquete(self.file("main.lua", text), *args, **options)

    def file(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text.encode() if isinstance(text, str) else text)
        os.chmod(path, mode)
        return path

    def listening(self, program):
        """Waits for the line `listening on HOST:PORT`, and keeps both with the program."""
        pattern = re.compile(r"^listening on (\S*):(\d+)$", re.M)
        found = program.out.wait(lambda all: "\n" in all and pattern.search(all))
        if not found:
            self.fail(f"{program.argv} does not say where it listens\n{program.told()}")
        program.host, program.port = found.group(1), int(found.group(2))
        return program

    def serve(self, script, host="127.0.0.1", **options):
        """Starts one of the course's servers on a port that the kernel chooses."""
        return self.listening(self.soquete(script, "0", host, **options))

    def client(self, script, server, text, host="127.0.0.1", **options):
        """Runs one of the course's clients against a server's port."""
        port = server if isinstance(server, int) else server.port
        return self.run_soquete(script, host, port, text=text, **options)

    def assertEnds(self, result, status, out=None, err=None):
        """Compares a Result; `out` and `err` are parts that must stand there."""
        self.assertEqual(result.status, status, result)
        for part, whole in ((out, result.out), (err, result.err)):
            if part is not None and part not in whole:
                self.fail(f"{part!r} is missing: {result}")

    def assertReplies(self, result, *replies):
        """The client ended well, and its last `From Server` lines are these."""
        self.assertEqual(result.status, 0, result)
        self.assertEqual(re.findall(r"From Server[^:]*(?:\S*): (.*)", result.out), list(replies))

    def need(self, *commands):
        """A peer that this machine lacks is a counted skip."""
        for command in commands:
            if not shutil.which(command):
                self.skipTest(f"{command} is not installed")

    def need_strace(self):
        """One that may trace."""
        self.need("strace")
        probe = self.run_program("strace", "-o", "/dev/null", "true")
        if probe.status != 0:
            self.skipTest("strace may not trace here: " + probe.err.strip())

    def need_ipv6(self):
        """So is a machine without IPv6."""
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
                s.bind(("::1", 0))
        except OSError as error:
            self.skipTest(f"there is no IPv6: {error}")


def until(condition, patience=PATIENCE):
    """Asks the system again and again, for what no event tells: True, or False too late."""
    limit = time.monotonic() + patience
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


def sockets(pid):
    """How many sockets a process has open. Other descriptors come when they are needed."""
    folder, count = f"/proc/{pid}/fd", 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(os.path.join(folder, name)).startswith("socket:")
        except FileNotFoundError:  # closed meanwhile
            pass
    return count


def descriptors(pid):
    """How many a process has open; the backend's ring, which it makes when a stream first waits,
    does not count."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += "io_uring" not in os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:  # closed meanwhile
            pass
    return count


def counts_calls(test):
    """Marks a test that counts the epoll backend's calls: with io_uring it has nothing to say."""
    def run(self):
        if "backend: epoll" in self.run_soquete("--version").out:
            test(self)
    return functools.wraps(test)(run)


def slow(test):
    """Marks a test that waits for seconds: run.py begins with those."""
    test.slow = True
    return test
