"""The web section of the bench: files of several sizes and a short text, beside web servers.

The base of the ratios is nginx; the limits are `http_server.c` and `http_uring_server.c`,
which answer the same bytes from memory without looking at the request. Server and load have a
core each, or share one where there is one: the processor time of the server is told beside
the rate."""
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

from figures import Spread, alternate, ratios
from place import BENCH, OUT, PEERS, PROGRAMS, first_line
from processes import TURNS, measure_servers
from sides import BARE_URING, BASE, URING, Side, has_uring

NGINX = "nginx"
SIZES = {"100B": 100, "1KiB": 1024, "10KiB": 10240, "100KiB": 102400, "10MiB": 10 << 20}
LONG = ("10MiB",)  # the answers to all clients come together, a few times in a second
CLIENTS = 50
ALWAYS = ("soquete", URING, "before", NGINX, BASE, BARE_URING)  # in each scenario
WITH_ALL = ("1KiB", "text")  # all others too, on one core
RUNTIMES = ("Node", "Go")    # they make the text on any cores
TEXT = b"hello, world\n"
WEB = OUT / "web"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

NGINX_CONF = """
daemon off; master_process off; pid {web}/nginx.pid; error_log /dev/null;
events {{ use epoll; multi_accept on; worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_requests 1000000000; keepalive_timeout 600;
  open_file_cache max=1000 inactive=600s; open_file_cache_valid 60s;
  types {{ application/octet-stream bin; }}
  {temporary}
  server {{ listen 127.0.0.1:{port}; root {web}/root;
           location = /text {{ default_type text/plain; return 200 "hello, world\\n"; }} }}
}}
"""

LIGHTTPD_CONF = """
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{web}/root"
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 600
server.stat-cache-engine = "simple"
mimetype.assign = ( ".bin" => "application/octet-stream" )
"""

H2O_CONF = """
user: {user}
num-threads: 1
http1-request-timeout: 600
hosts:
  default:
    listen: {{ host: 127.0.0.1, port: {port} }}
    paths:
      /:
        file.dir: {web}/root
access-log: /dev/null
"""


class WebSide(Side):
    """A web server; `modes` are "files" and "text". `conf` is a template to write first."""

    def __init__(self, name, command, modes=("files", "text"), version=None, conf=None):
        super().__init__(name, command, modes, version)
        self.conf = conf

    def argv(self, mode, port):
        words = {"port": port, "mode": mode, "web": WEB, "user": os.environ.get("USER", "root"),
                 "conf": WEB / f"{self.name}.conf",
                 "temporary": " ".join(f"{t}_temp_path {WEB}/{t};" for t in TEMPORARY)}
        if self.conf:
            Path(words["conf"]).write_text(self.conf.format(**words))
        return [str(word).format(**words) for word in self.command]

    def ready(self, mode, port):
        path, body = ("/text", TEXT) if mode == "text" else ("/100B.bin", body_of("100B"))
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as got:
                return got.read() == body
        except OSError:
            return False


class Limit(WebSide):
    """Bare C: it has one answer, the file that the scenario asks for."""

    def __init__(self, name, program):
        super().__init__(name, [f"{PROGRAMS}/tests/bench/{program}", "{port}", "{file}"])
        self.file = WEB / "root/100B.bin"

    def argv(self, mode, port):
        return [self.command[0], str(port), str(self.file)]

    def ready(self, mode, port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as got:
                return got.read() == self.file.read_bytes()
        except OSError:
            return False


def body_of(name):
    pattern = bytes(range(251))  # of a length that divides no page
    return (pattern * (SIZES[name] // len(pattern) + 1))[:SIZES[name]]


def prepare():
    """Writes the files that are served, the requests and the bodies that are compared."""
    (WEB / "root").mkdir(parents=True, exist_ok=True)
    for name in SIZES:
        (WEB / f"root/{name}.bin").write_bytes(body_of(name))
        request(f"{name}.request", f"/{name}.bin")
    (WEB / "text.body").write_bytes(TEXT)
    request("text.request", "/text")


def request(file, path):
    (WEB / file).write_bytes(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                             "User-Agent: bench\r\nAccept: */*\r\n\r\n".encode())


def go_server():
    if not shutil.which("go"):
        return None
    environment = dict(os.environ, GO111MODULE="off", GOCACHE=str(OUT / "go-cache"))
    subprocess.run(["go", "build", "-o", OUT / "go_web", PEERS / "web.go"], env=environment,
                   check=True)
    return str(OUT / "go_web")


def find(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def web_sides(against=""):
    soquete = str(PROGRAMS / "soquete")
    for name, backend in (("soquete", "epoll"), (URING, "uring"))[:1 + has_uring()]:
        yield WebSide(name, [soquete, "--backend", backend, f"{BENCH}/web.lua", "{port}",
                             "{web}/root"], version=first_line([soquete, "--version"]))
    if against:
        yield WebSide("before", [against, f"{BENCH}/web.lua", "{port}", "{web}/root"])
    if find(NGINX):
        yield WebSide(NGINX, [find(NGINX), "-c", "{conf}"], conf=NGINX_CONF,
                      version=first_line([find(NGINX), "-v"]))
    yield Limit(BASE, "http_server")
    yield Limit(BARE_URING, "http_uring_server")
    if find("lighttpd"):
        yield WebSide("lighttpd", [find("lighttpd"), "-D", "-f", "{conf}"], modes=("files",),
                      conf=LIGHTTPD_CONF, version=first_line([find("lighttpd"), "-v"]))
    if find("h2o"):
        yield WebSide("h2o", [find("h2o"), "-c", "{conf}"], modes=("files",), conf=H2O_CONF,
                      version=first_line([find("h2o"), "-v"]))
    if find("node"):
        yield WebSide("Node", ["node", f"{PEERS}/web.js", "{port}", "{web}/root"],
                      version=first_line(["node", "--version"]))
    go = go_server()
    if go:
        yield WebSide("Go", [go, "{port}", "{web}/root"], version=first_line(["go", "version"]))
    python = "/usr/bin/python3"
    if os.path.exists(python):
        yield WebSide("python3", [python, f"{PEERS}/web.py", "{port}", "{web}/root"],
                      version=first_line([python, "--version"]))


def words(name):
    """The generator's words for a file, or for "text"."""
    return {"request": WEB / f"{name}.request",
            "body": WEB / ("text.body" if name == "text" else f"root/{name}.bin")}


# --- what is measured -----------------------------------------------------------------

def measure_round(sides, mode, name, cores, opt):
    for side in sides:
        if isinstance(side, Limit):
            side.file = words(name)["body"]
    turns = 1 if name in LONG else TURNS
    return measure_servers(sides, mode, CLIENTS, cores, opt, "http", turns, **words(name))


def scenario(chosen, mode, name, cores, opt):
    chosen = [s for s in chosen if mode in s.modes]
    rounds = alternate(chosen, opt.rounds,
                       lambda sides: measure_round(sides, mode, name, cores, opt),
                       f"{mode} {name}", "rate", NGINX)
    rows = [{"side": n,
             "rate_ratio": ratios(rounds, n, "rate", NGINX).json(),
             "limit_ratio": ratios(rounds, n, "rate", BASE).json(),
             "uring_ratio": ratios(rounds, n, "rate", BARE_URING).json(),
             "cpu_ratio": ratios(rounds, n, "cpu_us", NGINX).json(),
             "rate": Spread(r[n]["rate"] for r in rounds).json(),
             "cpu_us": Spread(r[n]["cpu_us"] for r in rounds).json(),
             "busy": Spread(r[n]["busy"] for r in rounds).json(),
             "load_busy": Spread(r[n]["load_busy"] for r in rounds).json(),
             "p50_us": Spread(r[n]["p50_us"] for r in rounds).json(),
             "p99_us": Spread(r[n]["p99_us"] for r in rounds).json(),
             "errors": sum(r[n]["errors"] for r in rounds)} for n in (s.name for s in chosen)]
    return {"name": name, "mode": mode, "clients": CLIENTS,
            "cores": [sorted(c) for c in cores], "rows": rows}


def takes_part(side, name, one_core):
    if side.name in ALWAYS or (name in WITH_ALL and one_core):
        return True
    return name == "text" and side.name in RUNTIMES


def measure(opt, core_pairs):
    """A list of scenarios; needs nginx, which is what the ratios are taken to."""
    if not find(NGINX):
        print("  web: nginx is not installed (make bench-deps)")
        return [], []
    prepare()
    chosen = list(web_sides(opt.against))
    if opt.sides:
        wanted = (*opt.sides.split(","), NGINX, BASE, BARE_URING, "before")
        chosen = [s for s in chosen if s.name in wanted]
    wanted = opt.files.split(",") if opt.files else [*SIZES, "text"]
    found = []
    for cores in core_pairs:
        for name in wanted:
            sides = [s for s in chosen if takes_part(s, name, cores == core_pairs[0])]
            found.append(scenario(sides, "text" if name == "text" else "files", name, cores,
                                  opt))
    return found, chosen
