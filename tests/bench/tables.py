"""Tables and numbers as Markdown."""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def spread_text(s, digits=2):
    return f"{s['median']:,.{digits}f} ({s['low']:,.{digits}f}–{s['high']:,.{digits}f})"
