"""Medians with their spread, and ratios within a round."""
import math
import statistics

from sides import BASE


class Spread:
    """The median of some figures with the smallest and the largest."""

    def __init__(self, values):
        self.values = list(values)
        self.median = statistics.median(self.values)
        self.low, self.high = min(self.values), max(self.values)

    def text(self, digits=2):
        return (f"{self.median:,.{digits}f} "
                f"({self.low:,.{digits}f}–{self.high:,.{digits}f})")

    def json(self):
        return {"median": self.median, "low": self.low, "high": self.high,
                "values": self.values}


def ratio(got, name, figure, base):
    """NaN where the base did nothing: on a machine that others use a short round may pass
    without it."""
    return got[name][figure] / got[base][figure] if got[base][figure] else math.nan


def ratios(rounds, name, figure, base=BASE):
    """One ratio for each round that has both sides, and in which the base did something."""
    found = [ratio(r, name, figure, base) for r in rounds if name in r and base in r]
    return Spread([f for f in found if not math.isnan(f)] or [math.nan])


def order(names, number):
    """The base and soquete stay neighbours; each second round goes backwards."""
    return list(names) if number % 2 == 0 else list(reversed(names))


def one_by_one(measure):
    """Measures all sides by measuring each."""
    return lambda sides: {side.name: measure(side) for side in sides}


def alternate(sides, rounds, measure_all, what, figure, base):
    """Measures every side in each round, and tells how they stand: a list of
    {side's name: figures}, as measure_all gives them for a list of sides."""
    found, by_name = [], {side.name: side for side in sides}
    for number in range(rounds):
        got = measure_all([by_name[name] for name in order(by_name, number)])
        found.append(got)
        told = [f"{name} {ratio(got, name, figure, base):.2f}" for name in by_name]
        print(f"  {what}, round {number + 1}: {' '.join(told)}", flush=True)
    return found
