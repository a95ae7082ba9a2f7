"""soquete throughput: against iperf3 in both roles, its output in every form, its page."""

import csv
import io
import json
import os
import pty
import re
import signal
import socket
import termios
import xml.etree.ElementTree

import harness
from harness import PATIENCE, ROOT, Case, Stream

PORT = re.compile(r"listening on (\S+):(\d+);")
SVG = "{http://www.w3.org/2000/svg}"


def free_port():
    """A port that the kernel chooses: for programs that do not take 0."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def schema():
    with open(os.path.join(ROOT, "docs", "throughput.schema.json"), encoding="utf-8") as f:
        return json.load(f)


def check(schema, value, root=None, path="figures"):
    """What of the JSON Schema `value` breaks, or None: the words that our schema uses."""
    root = root or schema
    if "$ref" in schema:
        return check(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root, path)
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool,
             "integer": int, "number": (int, float)}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return f"{path}: {value!r} is no {schema['type']}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{path}: {value!r}"
    if value is not True and isinstance(value, (int, float)):
        if not abs(value) < 1e300 or value < schema.get("minimum", value):
            return f"{path}: {value}"
        if value > schema.get("maximum", value):
            return f"{path}: {value}"
        if not value > schema.get("exclusiveMinimum", value - 1):
            return f"{path}: {value}"
    if isinstance(value, dict):
        ways = schema.get("anyOf", [{"required": []}])
        if not any(all(name in value for name in way["required"]) for way in ways):
            return f"{path}: not one of {ways}"
        for name in schema.get("required", ()):
            if name not in value:
                return f"{path}: no {name}"
        for name, part in value.items():
            if name not in schema.get("properties", {}):
                return f"{path}: {name} is not in the schema"
            wrong = check(schema["properties"][name], part, root, f"{path}.{name}")
            if wrong:
                return wrong
    if isinstance(value, list):
        for i, part in enumerate(value):
            wrong = check(schema["items"], part, root, f"{path}[{i}]")
            if wrong:
                return wrong
    return None


class Throughput(Case):
    def start_server(self, *words):
        program = self.soquete("throughput", "server", "--port", "0", "--bind", "127.0.0.1", *words)
        found = program.out.wait(PORT.search)
        if not found:
            self.fail(f"{program.argv} does not say where it listens\n{program.told()}")
        program.port = int(found.group(2))
        return program

    def measure(self, port, *words, **options):
        return self.run_soquete("throughput", "127.0.0.1", "--port", port, *words, **options)

    def figures(self, port, *words):
        result = self.measure(port, "--json", *words)
        self.assertEqual((result.status, result.err), (0, ""), result)
        figures = json.loads(result.out)
        self.assertIsNone(check(schema(), figures))
        return figures


class Interop(Throughput):
    """Against the real iperf3. All datagrams of a test fit into a socket's buffer, so that none
    is lost where the machine has other things to do."""

    def setUp(self):
        super().setUp()
        self.need("iperf3")

    def start_iperf3(self):
        """Its server; a port that the kernel chose a moment ago is free again."""
        for _ in range(5):
            port = free_port()
            server = self.start("iperf3", "--server", "--forceflush", "--bind", "127.0.0.1",
                                "--port", port)
            if server.out.wait(lambda all: "Server listening" in all):
                server.port = port
                return server
        self.fail("iperf3 finds no port")

    def iperf3(self, port, *words):
        result = self.run_program("iperf3", "--client", "127.0.0.1", "--port", port, "--json", *words)
        self.assertEqual(result.status, 0, result)
        report = json.loads(result.out)
        self.assertNotIn("error", report)
        return report["end"]

    def test_our_client_sends_to_iperf3(self):
        server = self.start_iperf3()
        sums = self.figures(server.port, "--time", "1")["to_server"]
        self.assertGreater(sums["received"]["bytes"], 0)  # iperf3 leaves the last ones unread
        self.assertLessEqual(sums["received"]["bytes"], sums["sent"]["bytes"])

    def test_our_client_receives_from_iperf3_on_several_streams(self):
        server = self.start_iperf3()
        sums = self.figures(server.port, "--time", "1", "--reverse", "-P3")["from_server"]
        self.assertEqual(len(sums["received"]["streams"]), 3)
        self.assertGreater(sums["received"]["bytes"], 0)
        self.assertGreaterEqual(sums["sent"]["bytes"], sums["received"]["bytes"])

    def test_our_client_and_iperf3_send_at_once(self):
        server = self.start_iperf3()
        figures = self.figures(server.port, "--time", "1", "--bidir", "-P", "2")
        for direction in ("to_server", "from_server"):
            self.assertGreater(figures[direction]["received"]["bytes"], 0)

    def test_our_client_sends_so_many_bytes_to_iperf3_after_some_that_do_not_count(self):
        server = self.start_iperf3()
        sums = self.figures(server.port, "--bytes", "10M", "--omit", "1")["to_server"]
        self.assertEqual(sums["sent"]["bytes"], 10 << 20)

    def test_our_client_receives_so_many_bytes_from_iperf3(self):
        server = self.start_iperf3()
        for size, more in ((10 << 20, ()), (10 << 20, ("-P3",)), (1000003, ("-P3", "--copy"))):
            sums = self.figures(server.port, "--bytes", size, "--reverse", *more)["from_server"]
            self.assertEqual(sums["received"]["bytes"], size, more)

    def test_our_client_ends_where_iperf3_omits_others(self):
        self.need_own_figures()
        server = self.start_iperf3()
        sums = self.figures(server.port, "--bytes", "10M", "--reverse", "-O1")["from_server"]
        # Each end omits by its own clock: all may have come before ours counts.
        self.assertLessEqual(sums["received"]["bytes"], 10 << 20)

    def test_our_client_sends_datagrams_to_iperf3(self):
        server = self.start_iperf3()
        sums = self.figures(server.port, "--udp", "--rate", "1M", "--time", "1")["to_server"]
        self.assertEqual(sums["received"]["lost_datagrams"], 0)
        self.assertGreater(sums["received"]["datagrams"], 0)  # iperf3 does not count the last ones
        self.assertLessEqual(sums["received"]["datagrams"], sums["sent"]["datagrams"])

    def test_our_client_receives_datagrams_from_iperf3(self):
        self.need_own_figures()
        server = self.start_iperf3()
        figures = self.figures(server.port, "--udp", "--rate", "1M", "--time", "1", "--bidir")
        for direction in ("to_server", "from_server"):
            self.assertGreater(figures[direction]["received"]["datagrams"], 0)
            self.assertEqual(figures[direction]["received"]["lost_datagrams"], 0)

    def test_iperf3_sends_to_our_server(self):
        end = self.iperf3(self.start_server().port, "--time", "1", "--parallel", "2")
        self.assertGreater(end["sum_received"]["bytes"], 0)
        self.assertGreaterEqual(end["sum_sent"]["bytes"], end["sum_received"]["bytes"])

    def test_iperf3_receives_from_our_server(self):
        end = self.iperf3(self.start_server().port, "--time", "1", "--reverse")
        self.assertGreater(end["sum_received"]["bytes"], 0)
        self.assertGreaterEqual(end["sum_sent"]["bytes"], end["sum_received"]["bytes"])

    def test_iperf3_and_our_server_send_at_once(self):
        end = self.iperf3(self.start_server().port, "--time", "1", "--bidir", "--parallel", "2")
        self.assertGreater(end["sum_received"]["bytes"], 0)
        self.assertGreater(end["sum_received_bidir_reverse"]["bytes"], 0)

    def test_iperf3_moves_so_many_bytes_after_some_that_do_not_count(self):
        server = self.start_server()
        end = self.iperf3(server.port, "--bytes", "10M", "--omit", "1")
        self.assertGreaterEqual(end["sum_sent"]["bytes"], 10 << 20)
        for more in ((), ("--parallel", "3")):
            end = self.iperf3(server.port, "--bytes", "10M", "--reverse", *more)
            self.assertEqual(end["sum_sent"]["bytes"], 10 << 20)
            self.assertGreaterEqual(end["sum_received"]["bytes"], 10 << 20)
        end = self.iperf3(server.port, "--blockcount", "40", "--length", "1K", "--reverse")
        self.assertEqual(end["sum_sent"]["bytes"], 40 << 10)

    def test_iperf3_sends_datagrams_to_our_server(self):
        server = self.start_server()
        for more in ((), ("--omit", "1"), ("--udp-counters-64bit",)):
            end = self.iperf3(server.port, "--udp", "--bitrate", "1M", "--time", "1", *more)
            self.assertEqual(end["sum"]["lost_packets"], 0)
            self.assertGreater(end["sum"]["packets"], 0)

    def test_iperf3_receives_datagrams_from_our_server(self):
        server = self.start_server()
        for more in (("--reverse",), ("--bidir",)):
            end = self.iperf3(server.port, "--udp", "--bitrate", "1M", "--time", "1", *more)
            self.assertGreater(end["sum"]["packets"], 0)

    def test_each_end_tells_the_other_what_it_cannot_do(self):
        result = self.run_program("iperf3", "--client", "127.0.0.1", "--port",
                                  self.start_server().port, "--bitrate", "100T")
        self.assertNotEqual(result.status, 0, result)
        self.assertIn("unable to set socket pacing", result.out + result.err)
        result = self.measure(self.start_iperf3().port, "--udp", "--reverse", "--window", "1G")
        self.assertEqual(result.status, 1, result)
        self.assertIn("window", result.err)

    def test_two_iperf3_clients_are_served_at_once(self):
        server = self.start_server()
        words = ["iperf3", "--client", "127.0.0.1", "--port", server.port, "--time", "1", "--json"]
        both = [self.start(*words), self.start(*words, "--reverse")]
        for program in both:
            report = json.loads(self.finish(program).out)
            self.assertNotIn("error", report)
        server.says("sent ")
        server.says("received ")


class Command(Throughput):
    """What it prints."""

    def test_prints_lines_in_a_pipe(self):
        self.need_own_figures()
        result = self.measure(self.start_server().port, "--time", "0.4", "--interval", "0.2")
        self.assertEqual((result.status, result.err), (0, ""), result)
        lines = result.out.splitlines()
        self.assertEqual(lines[0], "TCP to 127.0.0.1, 1 stream, 0.4 s")
        self.assertEqual(lines[1].split(), ["rate", "bytes", "retransmitted", "RTT", "window"])
        for line in lines[2:4]:
            self.assertRegex(line, r"^ +\d\.\d-\d\.\d s +[\d.]+ [kMGT]?bit/s +[\d.]+ [KMGT]iB +"
                             r"\d+ +[\d.]+ ms +[\d.]+ [KMG]?i?B$")
            self.assertEqual(len(line), len(lines[1]))
        self.assertRegex(lines[-3], r"^sent +[\d.]+ \w*bit/s ")
        self.assertRegex(lines[-2], r"^received +[\d.]+ \w*bit/s ")
        self.assertRegex(lines[-1], r"^CPU: client \d+ % \(user \d+, system \d+\), server ")
        self.assertNotIn("\x1b", result.out)

    def test_draws_a_bar_and_the_course_on_a_terminal(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        client = self.start(*self.command(
            "throughput", "127.0.0.1", "--port", self.start_server().port, "--time", "0.5",
            "--interval", "0.1"), stdout=theirs)
        os.close(theirs)
        screen = Stream(ours)
        self.assertEqual(client.ends(), 0)
        self.assertTrue(screen.wait(lambda all: "CPU: client" in all))
        self.assertRegex(screen.text(), r"\[=+ +\] [▁▂▃▄▅▆▇█]+")

    def test_prints_a_line_for_each_of_several_streams(self):
        result = self.measure(self.start_server().port, "--time", "0.2", "-P2", "--bidir")
        for stream in ("1 sent to", "3 received to", "4 sent from", "5 received from"):
            self.assertRegex(result.out, f"(?m)^stream {stream} server +[0-9.]+ .?bit/s ")
        rates = {line.index("bit/s") for line in result.out.splitlines() if "bit/s" in line}
        self.assertLessEqual(max(rates) - min(rates), 1)  # "kbit/s", "bit/s"

    def test_lines_fit_into_80_columns(self):
        port = self.start_server().port
        for words in ((), ("--bidir",), ("-P9",), ("--udp",), ("--omit", "0.2"),
                      ("--udp", "--rate", "0", "--reverse")):
            result = self.measure(port, "--time", "0.2", *words)
            self.assertEqual(result.status, 0, result)
            lines = result.out.splitlines()[:-1]  # the last one tells of the processors
            self.assertLessEqual(max(map(len, lines)), 80, result.out)

    def draw(self, columns, *words):
        """The lines that stood on a terminal of that width for a while."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        termios.tcsetwinsize(theirs, (24, columns))
        client = self.start(*self.command(
            "throughput", "127.0.0.1", "--port", self.start_server().port, "--interval", "0.1",
            *words), stdout=theirs)
        os.close(theirs)
        screen = Stream(ours)
        self.assertEqual(client.ends(), 0)
        self.assertTrue(screen.wait(lambda all: "CPU: client" in all))
        return [line for line in re.split("\r|\n", screen.text()) if re.search("[▁▂▃▄▅▆▇█]", line)]

    def test_what_it_draws_never_fills_the_line_of_a_narrow_terminal(self):
        for columns in (40, 26, 8):
            drawn = [line.replace("\x1b[K", "") for line in self.draw(columns, "--time", "2")]
            self.assertGreater(len(drawn), 10)
            self.assertLess(max(map(len, drawn)), columns)

    def test_the_bar_of_a_test_of_so_many_bytes_tells_their_part(self):
        drawn = self.draw(80, "--bytes", "60K", "--udp", "--rate", "1M")
        self.assertRegex(drawn[0], r"\[=* +\] ")
        self.assertRegex(drawn[-1], r"\[={20}\] ")

    def interrupted(self, *words):
        """What a test says that Ctrl-C ends, as its figures."""
        client = self.soquete("throughput", "127.0.0.1", "--time", "60", "--interval", "0.1",
                              "--json", "--web", "0", *words)
        url = client.err.wait(re.compile(r"watch it at http://127.0.0.1:(\d+)/").search)
        with socket.create_connection(("127.0.0.1", int(url.group(1)))) as page:
            page.sendall(b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n")
            told = Stream(os.dup(page.fileno()))
            self.assertTrue(told.wait(lambda all: "event: interval" in all))
            client.signal(signal.SIGINT)
            self.assertEqual(client.ends(), 130)
        return json.loads(client.out.text())

    def test_ctrl_c_ends_a_test_with_the_figures_so_far(self):
        self.need_own_figures()
        server = self.start_server()
        for words in ((), ("--reverse",), ("--bidir", "-P2"), ("--udp", "--bidir"), ("--omit", "50"),
                      ("--omit", "50", "--reverse")):
            figures = self.interrupted("--port", server.port, *words)
            self.assertGreater(len(figures["intervals"]), 0)
            if "--omit" not in words:
                for direction in {"to_server", "from_server"} & set(figures):
                    self.assertGreater(figures[direction]["received"]["bytes"], 0)
        self.assertNotIn("ended early", server.out.text())

    def test_prints_csv(self):
        result = self.measure(self.start_server().port, "--time", "0.4", "--interval", "0.2",
                              "--csv", "--bidir")
        self.assertEqual((result.status, result.err), (0, ""), result)
        rows = list(csv.DictReader(io.StringIO(result.out)))
        self.assertEqual({row["direction"] for row in rows}, {"to_server", "from_server"})
        self.assertTrue(all(float(row["bits_per_second"]) >= 0 for row in rows))

    @staticmethod
    def congestion_controls():
        with open("/proc/sys/net/ipv4/tcp_allowed_congestion_control", encoding="ascii") as f:
            return f.read().split()

    def test_the_csv_of_compared_tests_names_the_congestion_control_of_each(self):
        names = self.congestion_controls()
        result = self.measure(self.start_server().port, "--time", "0.2", "--csv",
                              "--compare", f"{names[0]},{names[-1]}")
        rows = list(csv.DictReader(io.StringIO(result.out)))
        self.assertEqual([row["congestion_control"] for row in rows], [names[0], names[-1]])

    def test_compares_congestion_controls(self):
        names = self.congestion_controls()
        result = self.measure(self.start_server().port, "--time", "0.2",
                              "--compare", f"{names[0]},{names[-1]}")
        self.assertEqual((result.status, result.err), (0, ""), result)
        table = result.out.partition("congestion control  ")[2].splitlines()[1:]
        self.assertEqual([line.split()[0] for line in table], [names[0], names[-1]])
        self.assertIn("1.00", result.out)

    def test_a_name_that_cannot_be_compared_is_told_before_the_first_test(self):
        name = self.congestion_controls()[0]
        result = self.measure(self.start_server().port, "--compare", f"{name},nosuch")
        self.assertEqual((result.status, result.out), (1, ""), result)
        self.assertIn("--compare nosuch: ", result.err)
        self.assertIn("hint: this machine allows ", result.err)
        result = self.measure(1, "--compare", f"{name},longer-than-the-kernel")
        self.assertEqual((result.status, result.out), (2, ""), result)

    def test_writes_a_drawing(self):
        path = os.path.join(self.folder, "test.svg")
        result = self.measure(self.start_server().port, "--time", "0.5", "--interval", "0.1",
                              "--bidir", "--plot", path)
        self.assertEqual(result.status, 0, result)
        root = xml.etree.ElementTree.parse(path).getroot()
        words = [text.text for text in root.iter(SVG + "text")]
        for title in ("Throughput", "Round-trip time", "Congestion window", "to server", "from server"):
            self.assertIn(title, words)
        curves = [curve for curve in root.iter(SVG + "polyline")
                  if len(curve.get("points").split()) > 2]  # the others stand beside their names
        self.assertEqual(len(curves), 4)  # throughput both ways, RTT and window of what we send
        self.assertEqual(len({curve.get("stroke-dasharray") for curve in curves[:2]}), 2)

    def test_a_drawing_that_cannot_be_written_is_told_before_the_test(self):
        result = self.measure(self.start_server().port, "--bytes", "1K", "--plot", "/no/where.svg")
        self.assertEqual((result.status, result.out), (1, ""), result)
        self.assertIn("/no/where.svg", result.err)

    def test_a_congestion_control_that_is_not_there_comes_with_those_that_are(self):
        result = self.measure(self.start_server().port, "--congestion", "nosuch")
        self.assertEqual((result.status, result.out), (1, ""), result)
        self.assertIn("TCP_CONGESTION: no such file or directory (ENOENT)", result.err)
        self.assertIn("hint: this machine allows " + " ".join(self.congestion_controls()), result.err)

    def test_tells_that_nobody_listens(self):
        result = self.measure(free_port())
        self.assertEqual((result.status, result.out), (1, ""), result)
        self.assertIn("connection refused (ECONNREFUSED)", result.err)
        self.assertIn("hint: ", result.err)

    def test_refuses_what_makes_no_sense(self):
        for words, reason in (
            ((), "which server?"),
            (("h", "--time", "0"), "--time: 0 is not a number from 0.1"),
            (("h", "--len", "2M"), "--len: 2097152 is not a number from 1 to 1048576"),
            (("h", "--time", "1", "--bytes", "1K"), "--time and --bytes exclude each other"),
            (("h", "--udp", "--mss", "500"), "--mss is of TCP only"),
            (("",), "HOST: which server?"),
            (("h:1", "--port", "2"), "the port is given twice"),
            (("h:x",), "bad address 'h:x'"),
            (("h", "--rate", "fast"), "--rate fast: a rate is a number with k, M or G"),
            (("h", "--len", "64Q"), "--len 64Q: a size is a number"),
            (("h", "--json", "--csv"), "--json and --csv exclude each other"),
            (("h", "--compare", "reno"), "two or more names"),
            (("h", "--reverse", "--bidir"), "--reverse and --bidir exclude each other"),
            (("h", "--wibble"), "there is no option --wibble"),
            (("h", "-4", "-6"), "-4 and -6 exclude each other"),
            (("server", "-4", "-6"), "-4 and -6 exclude each other"),
            (("server", "h"), "one word too many: h"),
        ):
            result = self.run_soquete("throughput", *words)
            self.assertEqual((result.status, result.out), (2, ""), (words, result))
            self.assertIn(reason, result.err)
            self.assertRegex(result.err, r"`soquete throughput( server)? --help` lists the options")

    def test_help_explains_every_option(self):
        for words in (("throughput",), ("throughput", "server")):
            result = self.run_soquete(*words, "--help")
            self.assertEqual((result.status, result.err), (0, ""), result)
            usage, _, words = result.out.partition("\n\n")
            for option in re.findall(r"--[a-z]+", usage):
                self.assertRegex(words, rf"(?m)^ +(-\w, |    ){option} .*  \w")
            self.assertLess(max(map(len, result.out.splitlines())), 95)

    def test_a_host_may_have_its_port_with_it(self):
        server = self.start_server()
        result = self.run_soquete("throughput", f"127.0.0.1:{server.port}", "--bytes", "1K")
        self.assertEqual((result.status, result.err), (0, ""), result)

    def test_datagrams_without_a_limit_are_more_than_those_at_the_usual_rate(self):
        figures = self.figures(self.start_server().port, "--udp", "--rate", "0", "--time", "0.5")
        self.assertNotIn("limit_bits_per_second", figures["test"])
        self.assertGreater(figures["to_server"]["sent"]["bits_per_second"], 2e6)

    def test_a_failure_is_json_too(self):
        port = free_port()
        result = self.measure(port, "--json")
        self.assertEqual(result.status, 1, result)
        self.assertIn("connection refused", result.err)
        told = json.loads(result.out)
        self.assertEqual(told, {"error": {"code": "ECONNREFUSED", "text": "connection refused"}})
        self.assertIsNone(check(schema(), told))

    def test_the_server_says_what_it_measured_and_ends_by_signal(self):
        server = self.start_server()
        self.measure(server.port, "--bytes", "1M")
        server.says("TCP: received 1.00 MiB at ")
        server.signal(signal.SIGINT)
        self.assertEqual(server.ends(), -signal.SIGINT)

    def test_a_server_that_is_stopped_says_so_to_its_clients(self):
        for more in ((), ("--reverse",), ("--bidir", "-P2"), ("--udp",)):
            server = self.start_server()
            client = self.soquete("throughput", "127.0.0.1", "--port", server.port, "--interval",
                                  "0.1", *more)
            self.assertTrue(client.out.wait(lambda all: "bit/s " in all))
            server.signal(signal.SIGINT)
            self.assertEqual(server.ends(), -signal.SIGINT)
            client.complains("soquete throughput: the server has ended the test\n")
            self.assertEqual(client.ends(), 1)

    def test_the_intervals_before_a_failure_are_json_too(self):
        server = self.start_server()
        client = self.soquete("throughput", "127.0.0.1", "--port", server.port, "--interval", "0.1",
                              "--json", "--web", "0")
        url = client.err.wait(re.compile(r"watch it at http://127.0.0.1:(\d+)/").search)
        with socket.create_connection(("127.0.0.1", int(url.group(1)))) as page:
            page.sendall(b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n")
            events = Stream(os.dup(page.fileno()))
            self.assertTrue(events.wait(lambda all: "event: interval" in all))
            server.signal(signal.SIGTERM)
            self.assertEqual(client.ends(), 1)
        told = json.loads(client.out.text())
        self.assertIsNone(check(schema(), told))
        self.assertIn("the server has ended the test", told["error"]["text"])
        self.assertGreater(len(told["intervals"]), 0)

    def test_a_client_that_is_killed_does_not_hold_the_server(self):
        server = self.start_server()
        client = self.soquete("throughput", "127.0.0.1", "--port", server.port, "--interval", "0.1")
        self.assertTrue(client.out.wait(lambda all: "bit/s" in all))
        client.signal(signal.SIGKILL)
        client.ends()
        server.says("ended early: the peer has ended the control connection\n")
        self.assertEqual(self.measure(server.port, "--bytes", "1K").status, 0)


class Page(Throughput):
    @harness.slow
    def test_chromium_shows_the_running_test(self):
        self.need("chromium")
        server = self.start_server()
        client = self.soquete("throughput", "127.0.0.1", "--port", server.port, "--time", "0.6",
                              "--interval", "0.1", "--web", "0")
        client.complains("the page stays at ")
        url = re.search(r"http://\S+/", client.err.text()).group()
        home = os.path.join(self.folder, "chromium")
        dom = self.run_program(
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", f"--user-data-dir={home}", "--virtual-time-budget=10000",
            "--dump-dom", url, patience=4 * PATIENCE, env={**os.environ, "HOME": home})
        self.assertIn('role="status">finished<', dom.out, dom)
        told = re.search(r'id="rate"[^>]*>([\d.]+ [kMGT]?bit/s) to server<', dom.out)
        self.assertIsNotNone(told, dom)  # in the end the rate of the whole test
        self.assertIn(f"<td>received to server</td><td>{told.group(1)}</td>", dom.out)
        self.assertRegex(dom.out, r'aria-label="from 0 to \d{1,3}(\.\d)? [kMGT]?bit/s in 0\.\d s"')
        self.assertTrue(client.is_running())
        client.signal(signal.SIGINT)
        self.assertEqual(client.ends(), 0)
