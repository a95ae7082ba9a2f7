"""The fault campaign from outside, on the program as it is: outside.py [--sample N]
[--seed N] [-v].

strace(1) lets the n-th call of a kind fail with an errno, in a server that is running and
has clients: each errno of the call's man page, for n = 1, 2, 3 ... until the call is not
made so often. libfiu lets calls fail by chance, and cuts reads and writes short. Expected:
the server lives, an answer is right or names the error or does not come, no more clients
are hit than calls failed, a client that comes later is served, and the descriptors are as
many as before. The last line is "N passed, N failed, N skipped"."""

import argparse
import errno
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PATIENCE = 10
CLIENTS = 3
COMMANDS = ("upper", "udp", "tcp", "unix", "pair", "datagrams", "name", "options", "poll")

# The system calls that the program makes, and what their man pages list. Left out is what the
# kernel says only where something follows, which does not when strace skips the call: the
# EAGAIN of those that wait, and the EALREADY of connect, before their edge; the EPIPE of a
# send on a stream, beside the end that a read finds (or after our own shutdown, when reads
# go on). A close that is skipped leaves its descriptor open: one more is allowed then.
ERRNOS = {
    "accept4": "EBADF ECONNABORTED EFAULT EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM"
    " ENOTSOCK EOPNOTSUPP EPERM EPROTO",
    "bind": "EACCES EADDRINUSE EBADF EINVAL ENOTSOCK EADDRNOTAVAIL EFAULT ENOMEM",
    "close": "EBADF EINTR EIO ENOSPC EDQUOT",
    "connect": "EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EBADF"
    " ECONNREFUSED EFAULT EINTR EISCONN ENETUNREACH ENOTSOCK EPROTOTYPE ETIMEDOUT",
    "epoll_ctl": "EBADF EEXIST EINVAL ENOENT ENOMEM ENOSPC EPERM",
    "epoll_wait": "EINTR",
    "epoll_pwait2": "EINTR ENOSYS",
    "eventfd2": "EINVAL EMFILE ENFILE ENODEV ENOMEM",
    "fcntl": "EACCES EBADF EINVAL",
    "getpeername": "EBADF EFAULT EINVAL ENOBUFS ENOTCONN ENOTSOCK",
    "getsockname": "EBADF EFAULT EINVAL ENOBUFS ENOTSOCK",
    "getsockopt": "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK",
    "listen": "EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP",
    "poll": "EFAULT EINTR EINVAL ENOMEM",
    "recvfrom": "EBADF ECONNREFUSED ECONNRESET EFAULT EINTR EINVAL ENOMEM ENOTCONN"
    " ENOTSOCK ETIMEDOUT",
    "recvmsg": "EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK",
    "recvmmsg": "EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTSOCK",
    "sendmmsg": "EACCES EBADF EFAULT EINTR EINVAL EIO EMSGSIZE ENOBUFS ENOMEM ENOTSOCK EPERM",
    "sendmsg": "EACCES EBADF ECONNRESET EFAULT EINTR EINVAL EMSGSIZE ENOBUFS ENOMEM"
    " ENOTCONN ENOTSOCK EPIPE",
    "sendto": "EACCES EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN"
    " EMSGSIZE ENOBUFS ENOMEM ENOTCONN ENOTSOCK EOPNOTSUPP",
    "setsockopt": "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK",
    "shutdown": "EBADF EINVAL ENOTCONN ENOTSOCK",
    "socket": "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT",
    "socketpair": "EAFNOSUPPORT EFAULT EMFILE ENFILE EOPNOTSUPP EPROTONOSUPPORT",
    "clone3": "EAGAIN ENOMEM",
    "mmap": "EAGAIN ENOMEM",
}
# epoll_wait cannot fail but by EINTR, unless the program has a bug: it says so and ends.
FATAL = {"epoll_wait": "EBADF EFAULT EINVAL", "epoll_pwait2": "EBADF EFAULT EINVAL"}
N_MAX = 40

# By libfiu: its name of a call, and the row above that it stands for.
BY_CHANCE = {
    "recv": "recvfrom",
    "recvfrom": "recvfrom",
    "recvmsg": "recvmsg",
    "send": "sendto",
    "sendto": "sendto",
    "sendmsg": "sendmsg",
    "connect": "connect",
    "socket": "socket",
    "bind": "bind",
    "listen": "listen",
    "shutdown": "shutdown",
}
SHORT = ("posix/io/rw/read/reduce", "posix/io/rw/write/reduce")


class Wrong(Exception):
    pass


class Server:
    """The program with server.lua, by whatever words come before it."""

    def __init__(self, program, *before):
        self.err = tempfile.TemporaryFile()
        environment = dict(os.environ, SOQUETE_WATCHDOG="off")
        self.process = subprocess.Popen(
            [*before, program, os.path.join(HERE, "server.lua")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.err,
            env=environment,
        )
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on port "):
            raise Wrong(f"the server does not start: {line!r} {self.words()}")
        self.port = int(line.split()[-1])
        self.pid = self.find_pid(self.process.pid)
        ask(self, 0)  # what is made once (a thread, a table) is made now

    @staticmethod
    def find_pid(pid):
        """fiu-run is a shell script around the program."""
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            inner = children.read().split()
        return Server.find_pid(int(inner[0])) if inner else pid

    def words(self):
        self.err.seek(0)
        return self.err.read().decode("utf-8", "replace")[-2000:]

    def files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def wait_for_files(self, count):
        limit = time.monotonic() + PATIENCE
        while self.files() > count and time.monotonic() < limit:
            time.sleep(0.002)
        return self.files()

    def alive(self):
        return self.process.poll() is None

    def end(self):
        if self.alive():
            os.kill(self.pid, signal.SIGTERM)
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.err.close()


def ask(server, number):
    """One client: all commands. Gives the errors that were named; None when it was cut off."""
    errors, command = [], "connect"
    try:
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as s:
            lines = s.makefile("rb")
            for command in COMMANDS:
                text = f"{command}-{number}-{os.getpid()}"
                s.sendall(f"{command} {text}\n".encode())
                reply = lines.readline()
                if not reply.endswith(b"\n"):
                    return None
                right = f"ok {text.upper() if command == 'upper' else text}\n"
                if reply.decode() == right:
                    continue
                if not reply.startswith(b"error "):
                    raise Wrong(f"{command}: {reply!r} instead of {right!r}")
                errors.append(reply.decode()[6:-1])
    except socket.timeout:
        raise Wrong(f"{command}: a client waits for ever")
    except OSError:
        return None
    return errors


def ask_at_once(server, count):
    """Several clients; what ask gives of each."""
    results = [None] * count

    def one(i):
        try:
            results[i] = ask(server, i)
        except Wrong as wrong:
            results[i] = wrong

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def judge(results, names=None, most_hit=CLIENTS):
    """Raises Wrong unless the clients are right: all answers, or errors that bear one of the
    names, or cut off; and no more of them were hit than that."""
    hit = 0
    for result in results:
        if isinstance(result, Wrong):
            raise result
        hit += result != []
        for error in result or []:
            if names is not None and not any(name in error for name in names):
                raise Wrong(f"a client was told {error!r}")
    if hit > most_hit:
        raise Wrong(f"{hit} clients were hit: {results}")


def inject(server, call, error, n, out):
    """Attaches strace, runs the clients, detaches. How many calls failed, for strace counts
    them in each thread, and the clients' results."""
    strace = subprocess.Popen(
        ["strace", "-f", "-o", out, "-p", str(server.pid), "-e", f"trace={call}"]
        + ["-e", f"inject={call}:error={error}:when={n}"],
        stderr=subprocess.PIPE,
    )
    try:
        if b"attached" not in strace.stderr.readline():
            raise Wrong("strace cannot attach")
        results = ask_at_once(server, CLIENTS)
    finally:
        strace.send_signal(signal.SIGINT)
        strace.stderr.read()
        strace.wait()
        strace.stderr.close()
    with open(out) as trace:
        return trace.read().count("(INJECTED)"), results


# Lua's own words for a lack of memory, and the timeout of a command whose datagram or bytes
# were the ones that did not leave. ENOSYS is what a call says that strace has skipped, when
# it lets go before it has given the error.
ALWAYS = ("not enough memory", "ENOMEM", "timeout", "EAI_", "eof", "EPIPE", "ENOSYS")
SKIPPED_WAIT = "the loop cannot wait: function not implemented"


TOLD_AS = {("connect", "EAGAIN"): ("ECONNREFUSED",)}


class Campaign:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.folder = tempfile.mkdtemp(prefix="soquete-campaign-")
        self.server = None
        self.passed = self.failed = self.skipped = self.struck = 0

    def new_server(self, *before):
        if self.server:
            self.server.end()
        self.server = Server(self.options.program, *before)

    def tell(self, what, wrong):
        if wrong is None:
            self.passed += 1
            if self.options.verbose:
                print(f"passed: {what}")
            return
        self.failed += 1
        print(f"FAILED: {what}: {wrong}\n{self.server.words() if self.server else ''}")
        sys.stdout.flush()

    def one_call(self, call, error, n, fatal=False):
        """True when the call was reached."""
        what = f"{call} {error} at call {n}"
        out = os.path.join(self.folder, "trace")
        struck, wrong = 0, None
        try:
            if not self.server or not self.server.alive():
                self.new_server()
            files = self.server.files()
            struck, results = inject(self.server, call, error, n, out)
            self.struck += struck
            if not self.server.alive() and SKIPPED_WAIT in self.server.words():
                struck = max(struck, 1)
            elif fatal and struck:
                self.server.process.wait(PATIENCE)
                if self.server.process.returncode != 1:
                    raise Wrong(f"it ended by {self.server.process.returncode}")
                if "the loop cannot wait" not in self.server.words():
                    raise Wrong("it ended without a word")
            else:
                if not self.server.alive():
                    raise Wrong(f"the server ended by {self.server.process.returncode}")
                judge(results, (error, *ALWAYS, *TOLD_AS.get((call, error), ())), struck)
                self.after(files + (struck if call == "close" else 0))
        except (Wrong, OSError, subprocess.TimeoutExpired) as found:
            wrong = found
        self.tell(what, wrong)
        if wrong or call == "close" and struck or not self.server.alive():
            self.drop_server()
        return struck

    def drop_server(self):
        if self.server:
            self.server.end()
        self.server = None

    def after(self, files):
        """A later client is served, and nothing is left of the earlier ones."""
        if ask(self.server, 9) != []:
            raise Wrong("a later client is not served")
        left = self.server.wait_for_files(files)
        if left > files:
            raise Wrong(f"{left} descriptors, {files} before")

    def calls(self):
        rows = [(c, e, False) for c, es in ERRNOS.items() for e in es.split()]
        rows += [(c, e, True) for c, es in FATAL.items() for e in es.split()]
        if self.options.sample:
            for _ in range(self.options.sample):
                call, error, fatal = self.random.choice(rows)
                self.one_call(call, error, self.random.randint(1, 8), fatal)
            return
        for call, error, fatal in rows:
            for n in range(1, N_MAX + 1):
                if not self.one_call(call, error, n, fatal):
                    break

    def control(self, rule):
        """Gives libfiu a rule. fiu-ctrl(1) would wait for ever for a server that is dead."""
        if not self.server.alive():
            raise Wrong(f"the server ended by {self.server.process.returncode}")
        fiu = ["fiu-ctrl", "-c", rule, str(self.server.pid)]
        subprocess.run(fiu, check=True, timeout=PATIENCE)

    def by_chance(self):
        """Calls that fail by chance, one kind and one error at a time; every answer is right
        or is an error, and afterwards all goes as before."""
        rounds = 2 if self.options.sample else 5
        rows = [(n, e) for n, row in BY_CHANCE.items() for e in ERRNOS[row].split()]
        if self.options.sample:
            rows = self.random.sample(rows, 8)
        for call, error_name in rows:
            name, number = f"posix/io/net/{call}", getattr(errno, error_name)
            wrong = None
            try:
                self.new_server("fiu-run", "-x", "-c", "enable name=none")
                files = self.server.files()
                self.control(f"enable_random name={name},probability=0.05,failinfo={number}")
                for _ in range(rounds):
                    judge(ask_at_once(self.server, 8), most_hit=8)
                self.control(f"disable name={name}")
                self.after(files)
            except (Wrong, OSError, subprocess.SubprocessError) as error:
                wrong = error
            self.tell(f"libfiu {name} {error_name}", wrong)
            self.drop_server()

    def short(self):
        """A copy through short reads and writes is whole."""
        size = 100_000 if self.options.sample else 2_000_000
        data = self.random.randbytes(size)
        for names in ((SHORT[0],), (SHORT[1],), SHORT):
            rules = [f"-c enable_random name={n},probability=0.5" for n in names]
            argv = ["fiu-run", "-x"]
            for rule in rules:
                argv += rule.split(" ", 1)
            argv += [self.options.program, os.path.join(HERE, "copy.lua")]
            done = subprocess.run(argv, input=data, capture_output=True, timeout=120)
            same = done.stdout == data and done.returncode == 0
            wrong = None if same else f"{len(done.stdout)} of {size} bytes, {done.stderr[-300:]}"
            self.tell(f"libfiu {' '.join(names)}", wrong)

    def run(self):
        try:
            self.short()
            self.by_chance()
            self.calls()
        finally:
            self.drop_server()
            shutil.rmtree(self.folder)
        print(f"from outside: {self.struck} faults of strace struck")
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return self.failed > 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "soquete"))
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or time.time()))
    parser.add_argument("-v", dest="verbose", action="store_true")
    options = parser.parse_args()
    print(f"SEED={options.seed}")
    sys.exit(Campaign(options).run())


if __name__ == "__main__":
    main()
