#!/usr/bin/env python3
"""The bench's figures are computed, drawn and written as they should."""
import math
import unittest
import unittest.mock
import xml.etree.ElementTree
from types import SimpleNamespace

import bulk_page
import figures
import growth
import page
import plot
import sides
import web
from tables import spread_text


class Figures(unittest.TestCase):
    def rounds(self):
        return [{sides.BASE: {"rate": 100}, "x": {"rate": r}} for r in (50, 90, 70)]

    def test_a_ratio_is_taken_within_its_round(self):
        rounds = [{sides.BASE: {"rate": 100}, "x": {"rate": 50}},
                  {sides.BASE: {"rate": 200}, "x": {"rate": 100}}]
        self.assertEqual(figures.ratios(rounds, "x", "rate").values, [0.5, 0.5])

    def test_a_round_in_which_the_base_did_nothing_has_no_ratio(self):
        idle = [{sides.BASE: {"rate": 0}, "x": {"rate": 50}}]
        self.assertEqual(figures.ratios(self.rounds() + idle, "x", "rate").values,
                         [0.5, 0.9, 0.7])
        self.assertTrue(math.isnan(figures.ratios(idle, "x", "rate").median))

    def test_the_median_has_its_spread(self):
        spread = figures.ratios(self.rounds(), "x", "rate")
        self.assertEqual((spread.low, spread.median, spread.high), (0.5, 0.7, 0.9))
        self.assertEqual(spread_text(spread.json()), "0.70 (0.50–0.90)")

    def test_every_round_has_every_side_in_turn(self):
        measured = []

        def measure(side):
            measured.append(side.name)
            return {"rate": len(measured)}
        pair = [SimpleNamespace(name=name) for name in "ab"]
        rounds = figures.alternate(pair, 2, figures.one_by_one(measure), "a test", "rate", "a")
        self.assertEqual(measured, ["a", "b", "b", "a"])
        self.assertEqual([r["a"]["rate"] for r in rounds], [1, 4])

    def test_the_sides_alternate(self):
        self.assertEqual(figures.order("abc", 0), ["a", "b", "c"])
        self.assertEqual(figures.order("abc", 1), ["c", "b", "a"])


class WebPage(unittest.TestCase):
    """Each ratio of the web's tables is to the server that its heading names."""

    RATES = {"soquete": 600, web.NGINX: 300, sides.BASE: 500, sides.BARE_URING: 800}

    def figures(self, all_sides, *_):
        return {side.name: {"rate": self.RATES[side.name],
                            "cpu_us": 1000 / self.RATES[side.name], "busy": 0.5,
                            "load_busy": 0.5, "p50_us": 1, "p99_us": 2, "errors": 0}
                for side in all_sides}

    def test_the_ratios_are_told(self):
        chosen = [SimpleNamespace(name=name, modes=("files",)) for name in self.RATES]
        with unittest.mock.patch.object(web, "measure_round", self.figures):
            found = web.scenario(chosen, "files", "1KiB", ({0}, {0}), SimpleNamespace(rounds=1))
        lines = "\n".join(page.web_words([found])).splitlines()
        cells = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:]
                 for line in lines if line.startswith("| ")}
        told = {name: figure.split()[0] for name, figure in
                zip(cells["server"], cells["soquete"])}
        self.assertEqual([told[name] for name in ("rate / nginx", "rate / C epoll",
                                                  "rate / C io_uring", "server CPU / nginx")],
                         ["2.00", "1.20", "0.75", "0.50"])
        self.assertEqual(set(cells), {"server", *self.RATES})


class WhatIoUringGains(unittest.TestCase):
    """Where bare C gains little, the page says so."""

    def results(self, ratio):
        rows = [{"side": "C io_uring", "busy_ratio": {"median": ratio}}]
        return {"scenarios": [{"mode": "lines", "clients": 200, "rows": rows}]}

    def test_little_is_said(self):
        self.assertIn("with 200 clients C io_uring does 1.02 of",
                      page.most_words(self.results(1.02)))

    def test_much_and_nothing_need_no_words(self):
        self.assertEqual(page.most_words(self.results(2.1)), "")
        self.assertEqual(page.most_words({}), "")


class Charts(unittest.TestCase):
    def spread(self, value):
        return {"median": value, "low": value * 0.9, "high": value * 1.1}

    def charts(self):
        rows = [{"x": x, "side": side, **{f: self.spread(x * n) for f in ("rate", "p99_us")},
                 "cpu_us": self.spread(1)}
                for x in growth.CLIENTS for n, side in enumerate(growth.SERVERS, 1)]
        sizes = [{"x": x, "side": f"<{n}>", "gbits": self.spread(x / 1000 * n),
                  "cpu_ns_kib": self.spread(1)} for x in growth.SIZES for n in (1, 2, 3)]
        return {"connections": rows, "sizes": sizes}

    def test_each_is_well_formed_and_names_its_lines(self):
        drawn = dict(growth.charts(self.charts()))
        self.assertEqual(list(drawn), [chart[0] for chart in growth.CHARTS])
        for name, text in drawn.items():
            words = [e.text for e in xml.etree.ElementTree.fromstring(text).iter()
                     if e.tag.endswith("text")]
            for side in growth.SERVERS if "size" not in name else ("<1>", "<2>", "<3>"):
                self.assertIn(side, words)

    def test_lines_differ_without_colours(self):
        self.assertEqual(len(set(plot.DASHES)), len(plot.COLOURS))
        self.assertEqual(len({plot.mark(kind, 0, 0, "") for kind in range(4)}), 4)

    def test_an_axis_covers_what_is_drawn(self):
        self.assertEqual(plot.decades(64, 1048576), [10.0 ** e for e in range(1, 8)])
        self.assertEqual(plot.steps(39000)[-1], 40000)
        axis = plot.Axis([1, 10, 100], 0, 200, True)
        self.assertEqual((axis.place(1), axis.place(10), axis.place(100)), (0, 100, 200))

    def test_names_do_not_overlap(self):
        same = {name: [(1, 5, 5, 5), (10, 5, 5, 5)] for name in "abc"}
        heights = [float(e.get("y")) for e in xml.etree.ElementTree.fromstring(
            plot.chart("t", "x", "y", same, False)).iter() if e.text in ("a", "b", "c")]
        self.assertEqual([b - a for a, b in zip(heights, heights[1:])], [plot.LABEL_ROOM] * 2)

    def test_the_page_shows_each_chart_and_each_number(self):
        text = "\n".join(bulk_page.growth_words(self.charts()))
        for name, title, *_ in growth.CHARTS:
            self.assertIn(f"![{title}]({name})", text)
        self.assertEqual(text.count("\n| 9,000 |"), len(growth.SERVERS))


if __name__ == "__main__":
    unittest.main()
