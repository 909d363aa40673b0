"""A summary as one page that needs no network: the tables, and retention against the number of VoCo tokens."""

import html
import math
from collections.abc import Mapping, Sequence

from voco_model.evaluation.outcome import Outcome
from voco_model.evaluation.tables import Figure, grid

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222;background:#fff}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.3em .8em;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
th:first-child,td:first-child{text-align:left}.paper td{color:#777}svg{width:100%;max-width:44em;height:auto}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1em}dd{margin:0;overflow-wrap:anywhere}
"""
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 320, 50, 40


def page(
    outcomes: Sequence[Outcome],
    figures: Sequence[Figure],
    titles: Mapping[str, str],
    remarks: Sequence[str],
    more: Sequence[tuple[str, Sequence[Sequence[str]]]] = (),
) -> str:
    """The page's HTML; `more` are other tables, each with its title and its cells."""
    told = html.escape
    parts = ["<!doctype html><html lang=en><meta charset=utf-8>"]
    parts.append("<meta name=viewport content='width=device-width,initial-scale=1'><title>Evaluation</title>")
    parts.append(f"<style>{STYLE}</style><h1>Evaluation</h1>")
    for table in dict.fromkeys(each.table for each in figures):
        own = [each for each in figures if each.table == table]
        parts.append(f"<h2>{told(table)}</h2><div class=scroll>{_table(grid(own, titles))}</div>")
    curve = [f for f in figures if f.row == "VoCo" and f.metric == "mean" and f.n_voco]
    if curve:
        parts.append(f"<h2>Mean retention by the number of VoCo tokens, with its interval</h2>{_curve(curve)}")
    for title, cells in more:
        parts.append(f"<h2>{told(title)}</h2><div class=scroll>{_table(cells)}</div>")
    parts.append("<h2>To know</h2><ul>")
    parts.append("<li>In brackets: 95 % bootstrap intervals over pictures; retention's has the bounds' own in it.")
    parts += [f"<li>{told(remark)}" for remark in remarks]
    parts.append("</ul><h2>What was asked of what</h2><dl>")
    model = outcomes[0].about
    parts.append(f"<dt>model<dd>{told(str(model.get('model')))}<dt>bounds<dd>{told(str(_bounds(outcomes)))}")
    parts += [f"<dt>{told(o.title)}<dd>{o.about.get('read')} questions, {told(o.metric)}" for o in outcomes]
    return "\n".join([*parts, "</dl></html>", ""])


def _bounds(outcomes: Sequence[Outcome]) -> object:
    return next((o.about["upper"] for o in outcomes if o.about.get("upper")), "none")


def _table(cells: Sequence[Sequence[str]]) -> str:
    head, *rows = cells
    lines = ["<tr>" + "".join(f"<th>{html.escape(cell)}" for cell in head)]
    for row in rows:
        kind = " class=paper" if row[0].endswith("the paper") else ""
        lines.append(f"<tr{kind}>" + "".join(f"<td>{html.escape(cell)}" for cell in row))
    return f"<table>{''.join(lines)}</table>"


def _curve(points: Sequence[Figure]) -> str:
    """Retention over log2 of the number of tokens: a band, ours, and the paper's dashed."""
    known = [v for p in points for v in (p.value, p.low, p.high, p.paper) if v is not None and math.isfinite(v)]
    low, high = min(0.0, *known), max(100.0, *known)
    steps = [math.log2(p.n_voco or 1) for p in points]
    first, last = min(steps), max(max(steps), min(steps) + 1)

    def at(step: float, value: float) -> str:
        x = LEFT + (step - first) / (last - first) * (WIDTH - LEFT - 20)
        y = 10 + (high - value) / (high - low) * (HEIGHT - BOTTOM - 10)
        return f"{x:.1f},{y:.1f}"

    def line(values: Sequence[tuple[float, float]], style: str) -> str:
        dots = "".join(
            f"<circle cx={p.split(',')[0]} cy={p.split(',')[1]} r=3 />" for p in (at(*v) for v in values)
        )
        return f"<g {style}><polyline fill=none points='{' '.join(at(*v) for v in values)}'/>{dots}</g>"

    ours = [(s, p.value) for s, p in zip(steps, points, strict=True)]
    bounded = [
        (s, p.low, p.high)
        for s, p in zip(steps, points, strict=True)
        if p.low is not None and p.high is not None and math.isfinite(p.low)
    ]
    edge = [at(s, lower) for s, lower, _ in bounded] + [at(s, upper) for s, _, upper in reversed(bounded)]
    theirs = [(s, p.paper) for s, p in zip(steps, points, strict=True) if p.paper is not None]
    out = [
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='Retention by number of tokens' font-size=12>"
    ]
    for value in (0, 50, 100):
        x, y = at(first, value).split(",")
        out.append(f"<line x1={x} y1={y} x2={WIDTH - 20} y2={y} stroke='#ddd'/>")
        out.append(f"<text x={LEFT - 8} y={y} text-anchor=end dominant-baseline=middle>{value} %</text>")
    for step, one in zip(steps, points, strict=True):
        out.append(f"<text x={at(step, 0).split(',')[0]} y={HEIGHT - 12} text-anchor=middle>{one.n_voco}</text>")
    out.append(f"<polygon points='{' '.join(edge)}' fill='#1769aa' opacity=.15 />")
    out.append(line(ours, "stroke='#1769aa' fill='#1769aa'"))
    if theirs:
        out.append(line(theirs, "stroke='#999' fill='#999' stroke-dasharray='4 4'"))
    return "".join([*out, "</svg>"])
