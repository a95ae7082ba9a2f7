"""Charts of lines as SVG text: x is a logarithm. Lines differ by dashes and marks, not by
colour alone, and each has its name at its end, so that they can be told apart in print."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 170, 48, 56
DASHES = ("", "7 4", "2 3", "10 3 2 3")
COLOURS = ("#0b5cad", "#333333", "#b3450a", "#5a7d0b")
LABEL_ROOM = 16  # pixels between two names

STYLE = ("text{font:13px sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}"
         ".grid{stroke:#ddd}.axis{stroke:#222}")


def number_text(value):
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g} {name}"
    return f"{value:g}"


def decades(low, high):
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0 ** e for e in range(first, max(last, first + 1) + 1)]


def steps(high):
    """About five round steps from 0 to at least `high`."""
    raw = high / 5
    unit = 10 ** math.floor(math.log10(raw))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= raw)
    return [step * i for i in range(math.ceil(high / step) + 1)]


class Axis:
    """From values to pixels."""

    def __init__(self, ticks, begin, end, logarithm):
        self.ticks, self.begin, self.end = ticks, begin, end
        self.of = math.log10 if logarithm else float

    def place(self, value):
        low, high = self.of(self.ticks[0]), self.of(self.ticks[-1])
        share = (self.of(value) - low) / (high - low)
        return self.begin + share * (self.end - self.begin)


def mark(kind, x, y, colour):
    r = 4
    if kind == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{colour}"/>'
    corners = {1: ((-r, -r), (r, -r), (r, r), (-r, r)), 2: ((0, -r - 1), (r + 1, r), (-r - 1, r)),
               3: ((0, -r - 1), (r + 1, 0), (0, r + 1), (-r - 1, 0))}[kind]
    text = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{text}" fill="{colour}"/>'


def grid(x_axis, y_axis, x_label, y_label):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    lines = []
    for tick in x_axis.ticks:
        x = x_axis.place(tick)
        lines += [f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>',
                  f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">'
                  f'{number_text(tick)}</text>']
    for tick in y_axis.ticks:
        y = y_axis.place(tick)
        lines += [f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>',
                  f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
                  f'{number_text(tick)}</text>']
    return lines + [
        f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}" fill="none"/>',
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 14}" text-anchor="middle">'
        f'{escape(x_label)}</text>',
        f'<text transform="translate(18 {(TOP + bottom) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>']


def line(kind, points, x_axis, y_axis):
    """The medians with their spread as thin bars."""
    colour = COLOURS[kind]
    at = [(x_axis.place(x), *(y_axis.place(v) for v in values)) for x, *values in points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _, _ in at)
    drawn = [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" '
             f'stroke-dasharray="{DASHES[kind]}"/>']
    for x, y, low, high in at:
        drawn += [f'<line x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}" '
                  f'stroke="{colour}"/>', mark(kind, x, y, colour)]
    return drawn


def names(series, x_axis, y_axis):
    """Each line's name beside its last point; names that would overlap move apart."""
    wanted = sorted((y_axis.place(points[-1][1]), kind, name, x_axis.place(points[-1][0]))
                    for kind, (name, points) in enumerate(series.items()))
    drawn, free = [], 0
    for y, kind, name, x in wanted:
        y = max(y, free)
        free = y + LABEL_ROOM
        drawn.append(f'<text x="{x + 12:.1f}" y="{y + 4:.1f}" style="fill:{COLOURS[kind]}">'
                     f'{escape(name)}</text>')
    return drawn


def chart(title, x_label, y_label, series, logarithm):
    """`series`: up to four names, each with its points (x, median, lowest, highest), all
    above 0. The y axis begins at 0 unless it is a logarithm."""
    points = [p for line_points in series.values() for p in line_points]
    low, high = min(p[2] for p in points), max(p[3] for p in points)
    x_axis = Axis(decades(min(p[0] for p in points), max(p[0] for p in points)), LEFT,
                  WIDTH - RIGHT, True)
    y_axis = Axis(decades(low, high) if logarithm else steps(high), HEIGHT - BOTTOM, TOP,
                  logarithm)
    drawn = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             'role="img" aria-labelledby="title desc">',
             f'<title id="title">{escape(title)}</title>',
             f'<desc id="desc">{escape(y_label)} against {escape(x_label)}: '
             f'{escape(", ".join(series))}</desc>', f"<style>{STYLE}</style>",
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>',
             *grid(x_axis, y_axis, x_label, y_label)]
    for kind, line_points in enumerate(series.values()):
        drawn += line(kind, line_points, x_axis, y_axis)
    return "\n".join([*drawn, *names(series, x_axis, y_axis), "</svg>", ""])
