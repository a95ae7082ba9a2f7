"""The words and tables of docs/benchmarks.md about one-way transfers and growth."""
from growth import CHARTS
from tables import spread_text, table

NOTES = {
    "Bulk TCP": "One connection, bytes that nobody looks at: `send_repeat` of 8 KiB against "
                "`discard`. The limit sends pages without copying them, and drops them "
                "without copying. iperf3 with its best setting is the fastest of those that "
                "this version has, each tried once.",
    "TCP, every byte read": "`send_repeat` of 1 MiB, and `recv_into` a buffer of 256 KiB.",
    "The lecture's loop of 8 KiB": "A loop of `send` that reads the clock each time, and a "
                                   "loop of `recv`.",
    "Datagrams of 1,472 bytes": "What the receiver has got. The kernel cuts large buffers "
                                "into datagrams and joins them again. `send_many` and "
                                "`recv_many_into` move them between two buffers, `recv_many` "
                                "makes a string of each. The bare C receiver sleeps within "
                                "recvmmsg, which wakes it for each train; who waits for more "
                                "than one socket, as a second one does and soquete, cannot. "
                                "Lost: of what the kernel took for the receiver, what its "
                                "queue had no room for.",
    "A loop of sendto": "CPU is the sender's alone; a bare C program receives.",
    "Relays": "A bare C sender and receiver, and the relay between them on a core of its "
              "own, or all three on one. CPU is the relay's alone.",
    "What a task waits beside a transfer": "A task that sleeps a millisecond at a time, and "
                                           "how much later than that it wakes, while its own "
                                           "process moves bytes to or from a bare C program.",
    "Connects": "50 tasks of a client, each of which connects to a bare C server, receives its "
                "greeting of 8 bytes and its end, closes, and begins anew. soquete connects by "
                "epoll with both backends: of what the ring spares bare C, little would be left "
                "for it ([decision 0025](decisions/0025-io-uring-beside-epoll.md)). "
                "CPU is the client's alone. Failed: connects that were refused and connections "
                "that were reset, of all programs.",
}

# the heading of a figure, and its digits
FIGURES = {"gbits": ("Gbit/s", 1), "cpu_ns_kib": ("CPU ns/KiB", 0),
           "rate": ("datagrams/s", 0), "cpu_us": ("CPU µs/datagram", 2), "lost": ("lost", 3),
           "p50_us": ("p50 µs", 0), "p99_us": ("p99 µs", 0), "max_us": ("latest, µs", 0),
           "connects": ("connections/s", 0), "connect_us": ("CPU µs/connection", 2),
           "failed": ("failed", 0)}


def figure_text(row, name):
    spread, digits = row["figures"][name], FIGURES[name][1]
    if name in ("gbits", "p99_us", "connect_us"):
        return spread_text(spread, digits)
    return f"{spread['median']:,.{digits}f}"


def scenario_words(s):
    one = s["cores"][0] == s["cores"][1]
    shown = [name for name in FIGURES if name in s["rows"][0]["figures"]]
    compared = "ahead" in s["rows"][0]
    controls = sorted({c for r in s["rows"] for c in r["congestion"] if c})
    head = ["side"]
    if compared:
        head += [f"rate / {s['base']}", f"per busy second / {s['base']}",
                 "soquete / it"]
    head += [FIGURES[name][0] for name in shown]
    head += ["congestion control"] if controls else []
    rows = []
    for r in s["rows"]:
        cells = [r["side"]]
        if compared:
            cells += [spread_text(r[k]) for k in ("rate_ratio", "busy_ratio", "ahead")]
        cells += [figure_text(r, name) for name in shown]
        rows.append(cells + ([", ".join(r["congestion"])] if controls else []))
    return [f"### {'On one core' if one else 'On two cores'}", ""] + table(head, rows)


def bulk_words(scenarios):
    lines, title = [], None
    for s in scenarios:
        if s["title"] != title:
            title = s["title"]
            lines += [f"## {title}", "", NOTES[title], ""]
        lines += scenario_words(s)
    return lines


def commands_words(scenarios, root):
    """What each side of the one-way sections runs, once."""
    rows = {}
    for s in scenarios:
        for r in s["rows"]:
            shown = "; ".join(f"`{c}`" for c in r["commands"])
            rows.setdefault((s["title"], r["side"]), shown.replace(str(root) + "/", ""))
    return table(["section", "side", "commands"], [[*key, shown] for key, shown in rows.items()])


def growth_words(growth):
    heads = {"connections": ["connections", "side", "requests/s", "p99 µs", "CPU µs/request"],
             "sizes": ["bytes", "side", "Gbit/s", "CPU ns/KiB"]}
    figures = {"connections": (("rate", 0), ("p99_us", 0), ("cpu_us", 2)),
               "sizes": (("gbits", 2), ("cpu_ns_kib", 0))}
    words = {"connections": "Lines of 32 B in upper case on kept-open connections, server and "
                            "load on one core.",
             "sizes": "Messages of one size, sent in a loop, on one core; the receiver is the "
                      "same bare C program for all, which drops them."}
    lines = ["## How it grows", ""]
    for name in ("connections", "sizes"):
        lines += [words[name], ""]
        for file, title, _, _, rows, _, _ in CHARTS:
            if rows == name:
                lines += [f"![{title}]({file})", ""]
        lines += table(heads[name], [
            [f"{r['x']:,}", r["side"], *(f"{r[f]['median']:,.{d}f}" for f, d in figures[name])]
            for r in growth[name]])
    return lines
