"""How rate and latency grow with the number of connections, and throughput with the size of
a message: tables and charts of docs/benchmarks.md."""
import plot
from bulk import BULK_PAIR, SOQUETE
from figures import Spread, alternate, one_by_one
from pairs import ENDLESS, Pair
from place import BENCH
from processes import TURNS, measure_servers
from sides import BARE_URING, BASE, URING

CLIENTS = (1, 10, 100, 1000, 3000, 9000)
SIZES = (64, 512, 4096, 32768, 262144, 1048576)
SERVERS = ("soquete", URING, BASE, BARE_URING)


def size_sides(size):
    """All send to the same receiver, which drops what comes: the sender is compared."""
    receive = [BULK_PAIR, "receive", "free", "{port}"]
    script = BENCH / "bulk.lua"
    return [Pair("C send", receive, [BULK_PAIR, "send", "plain", "{port}", ENDLESS, size]),
            Pair("soquete send", receive, [SOQUETE, script, "send", "plain", "{port}", size]),
            Pair("soquete send_repeat", receive,
                 [SOQUETE, script, "send", "free", "{port}", size])]


def points(x, rounds, names, figures):
    return [{"x": x, "side": name,
             **{f: Spread(r[name][f] for r in rounds).json() for f in figures}}
            for name in names]


def measure(servers, cores, opt):
    """Two tables: a row for each number of connections (or size) and side."""
    servers = [s for s in servers if s.name in SERVERS]
    connections, sizes = [], []
    for clients in CLIENTS:
        turns = TURNS if clients <= 1000 else 1  # with more a turn would be few answers each
        rounds = alternate(servers, opt.rounds,
                           lambda sides: measure_servers(sides, "lines", clients, cores, opt,
                                                         turns=turns),
                           f"growth {clients} clients", "busy_rate", BASE)
        connections += points(clients, rounds, [s.name for s in servers],
                              ("rate", "p99_us", "cpu_us"))
    for size in SIZES:
        sides = size_sides(size)
        rounds = alternate(sides, opt.rounds,
                           one_by_one(lambda side: side.measure(cores, opt)),
                           f"growth {size} B", "gbits", sides[0].name)
        sizes += points(size, rounds, [s.name for s in sides], ("gbits", "cpu_ns_kib"))
    return {"connections": connections, "sizes": sizes}


# The file's name, its title, its axes, the rows and the figure, whether y is a logarithm.
CHARTS = (
    ("benchmarks-rate.svg", "Requests per second as connections grow", "connections",
     "requests/s", "connections", "rate", False),
    ("benchmarks-latency.svg", "99th percentile of the latency as connections grow",
     "connections", "p99, µs", "connections", "p99_us", True),
    ("benchmarks-size.svg", "Throughput as messages grow", "bytes of one message", "Gbit/s",
     "sizes", "gbits", True),
)


def charts(growth):
    """Pairs of a file's name and its text."""
    if not growth:
        return
    for name, title, x, y, rows, figure, logarithm in CHARTS:
        series = {}
        for row in growth[rows]:
            spread = row[figure]
            series.setdefault(row["side"], []).append(
                (row["x"], spread["median"], spread["low"], spread["high"]))
        yield name, plot.chart(title, x, y, series, logarithm)
