"""The words and tables of docs/benchmarks.md."""
from bulk_page import bulk_words, commands_words, growth_words
from place import ROOT
from processes import TURNS
from sides import BARE_URING, BASE, BLOCKING, SPIN_US
from tables import spread_text, table


def scenario_words(s):
    base = s["base"]
    cores = s["cores"]
    where = ("server and load on one core" if cores[0] == cores[1]
             else "server on one core, load on another")
    rows = [[r["side"], spread_text(r["rate_ratio"]), spread_text(r["busy_ratio"]),
             spread_text(r["cpu_ratio"]),
             f"{r['rate']['median']:,.0f}", f"{r['cpu_us']['median']:.2f}",
             f"{r['p50_us']['median']:,.0f}", f"{r['p99_us']['median']:,.0f}"]
            for r in s["rows"]]
    errors = sum(r["errors"] for r in s["rows"])
    lost = sum(r["lost"] for r in s["rows"])
    clients = "1 client" if s["clients"] == 1 else f"{s['clients']} clients"
    note = f"{clients}, {s['size']} B, {where}. Wrong answers: {errors}."
    if s["mode"] == "udp":
        note += f" Datagrams sent again after a second without an answer: {lost}."
    if s["base"] == BLOCKING:
        note += (f" With the spin soquete looks for {SPIN_US} µs before it sleeps, on a core "
                 "that nobody else needs: its processor time is that of the core.")
    return [f"## {s['title']}", "", note, ""] + table(
        ["server", f"rate / {base}", f"per busy second / {base}", f"server CPU / {base}",
         "requests/s",
         "CPU µs/request", "p50 µs", "p99 µs"], rows)


def idle_words(idle, count):
    rows = [[i["side"], f"{i['rest_kib'] / 1024:.2f}"] + [
        f"{i[name]:,.0f}" if name in i else "cannot hold so many"
        for name in ("opened_bytes", "answered_bytes")] for i in idle]
    return ["## Memory", "",
            "Resident memory at rest, in the middle of 41 starts, and its growth for each of "
            f"{count:,} connections that are held open: after they were accepted, and after "
            "each has had one line answered. Everything is included but the kernel's own "
            "memory.", ""] + table(
        ["server", "at rest, MiB", "opened, B each", "answered once, B each"], rows)


def start_words(rows):
    return ["## Start-up", "", "An empty program, from fork to end.", ""] + table(
        ["program", "ratio to lua5.4", "ms"],
        [[r["side"], spread_text(r["ratio"]), spread_text(r["ms"])] for r in rows])


def calls_words(calls):
    lines = ["## System calls per request", "",
             "Counted by `strace -c`, as the difference between a long run and a short one. "
             "Under strace a server is slow, so that more clients are ready each time it "
             "looks: waits are cheaper here than they are alone, on all sides."
             + (" Of connect they are the client's, for a connection." if "connect" in calls
                else ""), ""]
    rows = [[mode, side, f"{sum(found.values()):.2f}",
             ", ".join(f"{n} {c:.2f}" for n, c in
                       sorted(found.items(), key=lambda item: -item[1]))]
            for mode, by_side in calls.items() for side, found in by_side.items()]
    return lines + table(["mode", "side", "calls", "which"], rows)


def web_words(scenarios):
    lines = ["## The web", "",
             f"{scenarios[0]['clients']} kept-open connections that ask for one file, or for "
             "a short text that a handler (of nginx: `return 200`) makes. The ratios are to "
             "nginx with one worker, no log, sendfile and open_file_cache, and to the limits: "
             f"{BASE} is `http_server.c`, {BARE_URING} `http_uring_server.c`; they look at "
             "nothing of the request and answer from memory by send, which copies what "
             "sendfile does not. "
             "Busy is the share of a core: a load that is near 1 is what limits the rate. "
             f"Wrong answers: {sum(r['errors'] for s in scenarios for r in s['rows'])}.", ""]
    for s in scenarios:
        cores = s["cores"]
        where = ("server and load on one core" if cores[0] == cores[1]
                 else "server on one core, load on another")
        rows = [[r["side"], spread_text(r["rate_ratio"]), spread_text(r["limit_ratio"]),
                 spread_text(r["uring_ratio"]), spread_text(r["cpu_ratio"]),
                 f"{r['rate']['median']:,.0f}",
                 f"{r['cpu_us']['median']:.2f}", f"{r['busy']['median']:.2f}",
                 f"{r['load_busy']['median']:.2f}", f"{r['p50_us']['median']:,.0f}",
                 f"{r['p99_us']['median']:,.0f}"] for r in s["rows"]]
        lines += [f"### {s['name']}, {where}", ""] + table(
            ["server", "rate / nginx", f"rate / {BASE}", f"rate / {BARE_URING}",
             "server CPU / nginx", "requests/s", "CPU µs/request", "server busy", "load busy",
             "p50 µs", "p99 µs"], rows)
    return lines


def machine_words(m, versions, opt):
    lines = ["## The machine, and how to repeat this", "",
             f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, Linux {m['kernel']}, "
             f"{m['distribution']}, {m['compiler']}. Congestion control of both sides: "
             f"{m['congestion']}. Load average before: {m['load_before']:.2f}. "
             f"{m['date']}, commit {m['commit']}.", "",
             "```sh", "make bench-deps", f"make bench ROUNDS={opt.rounds} SECONDS={opt.seconds}"
             + (f" ONLY={opt.only}" if opt.only else ""), "```", "",
             f"Each round starts every server anew, warms it up for {opt.warmup} s and "
             f"measures for {opt.seconds} s, which the servers take in {TURNS} turns each (in one "
             f"where answers are long or clients many), over connections that stay; {opt.rounds} rounds, each second one in the "
             "opposite order. A figure is the median of the rounds, with the smallest and "
             "the largest in brackets; a ratio is taken within its round. The generator is "
             "`tests/bench/load.c`: a closed loop over io_uring that compares every byte of "
             "every answer; of bodies above 64 KiB every byte of each eighth answer, and the "
             "length and the beginning of each piece of the others. CPU is the server's processor time, in user and kernel mode, of "
             "all its threads, divided by the requests of the same time. The rate per busy "
             "second divides by the processor time of server and generator together: on one "
             "core it is the rate, less what other programs took meanwhile. Bytes of one-way "
             "transfers are those that the kernel counts at the receiver, connects are its "
             "ActiveOpens.", ""]
    rows = [[s.name, s.version or "", "`" + " ".join(s.argv("lines", "PORT")).replace(
        str(ROOT) + "/", "") + "`"] for s in versions]
    return lines + table(["server", "version", "command"], rows)


def most_words(results):
    """What io_uring can gain at most here."""
    for s in results.get("scenarios", []):
        for r in s["rows"]:
            if s["mode"] == "lines" and r["side"] == BARE_URING:
                return (f" Here even bare C gains little: with {s['clients']} clients C io_uring "
                        f"does {r['busy_ratio']['median']:.2f} of the requests of C epoll."
                        if r["busy_ratio"]["median"] < 1.2 else "")
    return ""


def document(results, chosen, opt):
    lines = ["# Benchmarks", "",
             "Written by `make bench`; do not edit. The limits are bare C programs of the "
             "bench: `epoll_server.c` and `uring_server.c`; for the web `http_server.c` and "
             "`http_uring_server.c`; for one-way transfers `bulk_pair.c`, `datagram_pair.c` "
             "and `splice_proxy.c`; for connects `connect_client.c`. Ratios carry over to other "
             "machines, absolute figures do not.", "",
             "Where requests are answered, and where connects are made, soquete is measured "
             "with its epoll backend; soquete io_uring is the same program with `--backend "
             "uring`. One-way transfers take what `auto` takes. What io_uring saves is system "
             "calls: where one is dear, as with mitigations of the processor's faults, that is "
             f"much; where it is cheap, little.{most_words(results)}", ""]
    for s in results.get("scenarios", []):
        lines += scenario_words(s)
    if "idle" in results:
        lines += idle_words(results["idle"], opt.idle)
    if "start" in results:
        lines += start_words(results["start"])
    if "calls" in results:
        lines += calls_words(results["calls"])
    if results.get("web"):
        lines += web_words(results["web"])
    if results.get("web_calls"):
        lines += calls_words({"a file of 1 KiB": results["web_calls"]})[2:]
    lines += bulk_words(results.get("bulk", []))
    if "growth" in results:
        lines += growth_words(results["growth"])
    lines += machine_words(results["machine"], chosen, opt)
    if results.get("bulk"):
        peers = ", ".join(f"{name} {number}" for name, number in results["peers"].items())
        lines += [f"The sides of one-way transfers and of connects, with {peers}:", "",
                  *commands_words(results["bulk"], ROOT)]
    return "\n".join(lines).rstrip() + "\n"
