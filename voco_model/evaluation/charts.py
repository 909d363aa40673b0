"""The report's drawings: retention over the number of VoCo tokens, and bars for each type of question."""

import html
import math
from collections.abc import Mapping, Sequence

from voco_model.evaluation import paper
from voco_model.evaluation.kinds import Kind
from voco_model.evaluation.outcome import LOWER, UPPER
from voco_model.evaluation.statistics import Interval
from voco_model.evaluation.style import OURS, THEIRS
from voco_model.evaluation.tables import Figure

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 250, 52, 14, 12, 46
LEAST, MOST = -50.0, 150.0
"""Percent between which a curve is drawn; a band that goes further ends there."""
LEVELS = (-50, 0, 50, 100, 150)
CURVES_KEY = (
    "<div class=key><span><i class=line></i>this model</span><span><i class=band></i>its 95&nbsp;% interval</span>"
    "<span><i class=dash></i>the paper</span></div>"
)
BARS_KEY = (
    "<div class=key><span><i class=full></i>this model, with its 95&nbsp;% interval</span>"
    "<span><i class=low></i>lower bound</span><span><i class=up></i>upper bound</span></div>"
)


def curve(points: Sequence[Figure], benchmark: str, title: str) -> str:
    """Retention over the number of tokens, each twice the one before: ours in its band, the paper's dashed."""
    ours = sorted((p.n_voco or 1, p) for p in points)
    theirs = _papers(points, benchmark)
    numbers = sorted({n for n, _ in ours} | {n for n, _ in theirs})
    known = [v for _, p in ours for v in (p.value, p.low, p.high) if v is not None and math.isfinite(v)]
    known += [v for _, v in theirs]
    low, high = max(LEAST, min(0.0, *known)), min(MOST, max(100.0, *known))
    first, last = math.log2(numbers[0]), math.log2(numbers[-1])

    def at(n: int, value: float) -> str:
        part = (math.log2(n) - first) / (last - first) if last > first else 0.5
        y = TOP + (high - min(max(value, low), high)) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return f"{LEFT + 10 + part * (WIDTH - LEFT - RIGHT - 20):.1f},{y:.1f}"

    bounded = [(n, _end(p.low, LEAST), _end(p.high, MOST)) for n, p in ours]
    edge = [at(n, lower) for n, lower, _ in bounded] + [at(n, upper) for n, _, upper in reversed(bounded)]
    named = f"role=img aria-label='{html.escape(title)}'"
    out = [f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' {named} font-size=13 fill='#333'>"]
    for level in (level for level in LEVELS if low <= level <= high):
        y = at(numbers[0], level).split(",")[1]
        colour = "#999" if level == 0 else "#ddd"
        out.append(f"<line x1={LEFT} y1={y} x2={WIDTH - RIGHT} y2={y} stroke='{colour}'/>")
        out.append(f"<text x={LEFT - 6} y={y} text-anchor=end dominant-baseline=middle>{level} %</text>")
    for n in numbers:
        out.append(f"<text x={at(n, 0).split(',')[0]} y={HEIGHT - 26} text-anchor=middle>{n}</text>")
    out.append(
        f"<text x={(LEFT + WIDTH - RIGHT) / 2} y={HEIGHT - 6} text-anchor=middle>VoCo tokens per image</text>"
    )
    if len(bounded) > 1:
        out.append(f"<polygon points='{' '.join(edge)}' fill='{OURS}' opacity=.18 />")
    else:
        (n, lower, upper), *_ = bounded
        ends = at(n, lower).replace(",", " "), at(n, upper).replace(",", " ")
        out.append(f"<path d='M{ends[0]}L{ends[1]}' stroke='{OURS}' stroke-width=8 opacity=.25 />")
    if theirs:
        dots = [at(n, v) for n, v in theirs]
        out.append(_line(dots, f"stroke='{THEIRS}' fill='{THEIRS}' stroke-width=1.5", "stroke-dasharray='5 4'"))
    out.append(_line([at(n, p.value) for n, p in ours], f"stroke='{OURS}' fill='{OURS}' stroke-width=2", ""))
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{''.join(out)}</svg></figure>"


def _papers(points: Sequence[Figure], benchmark: str) -> list[tuple[int, float]]:
    """The paper's own retention, at its numbers of tokens up to the largest of ours or beside ours."""
    most = max(p.n_voco or 1 for p in points)
    own = [(n, paper.retention(benchmark, n)) for n in sorted(paper.VOCO.get(benchmark, {})) if n <= most]
    if not own:
        own = [(p.n_voco or 1, p.paper) for p in sorted(points, key=lambda p: p.n_voco or 1)]
    return [(n, value) for n, value in own if value is not None]


def _end(value: float | None, otherwise: float) -> float:
    return value if value is not None and math.isfinite(value) else otherwise


def _line(places: Sequence[str], style: str, dashes: str) -> str:
    dots = "".join("<circle cx={} cy={} r=3.5 stroke=none />".format(*place.split(",")) for place in places)
    return f"<g {style}><polyline fill=none {dashes} points='{' '.join(places)}'/>{dots}</g>"


def bars(kinds: Sequence[Kind], reading: str) -> str:
    """A bar for each type of question with its interval, the bounds as marks on it."""
    shown = [kind for kind in kinds if reading in kind.by_reading]
    most = max([100.0, *(found.high for kind in shown for found in kind.by_reading.values())])
    return "".join(_bar(kind, reading, most) for kind in shown)


def _bar(kind: Kind, reading: str, most: float) -> str:
    found = kind.by_reading[reading]

    def part(value: float) -> str:
        return f"{100 * min(max(value / most, 0), 1):.1f}%"

    marks = "".join(f"<i class={css} style='left:{part(value)}'></i>" for css, value in _bounds(kind.by_reading))
    span = f"left:{part(found.low)};width:{part(found.high - found.low)}"
    n = f"{kind.questions} question{'s' if kind.questions != 1 else ''}"
    return (
        f"<div class=bar><div class=name>{html.escape(kind.name)} <span class=quiet>{n}</span></div>"
        f"<div class=track><b class=fill style='width:{part(found.value)}'></b><b class=span style='{span}'></b>"
        f"{marks}</div><div class=value>{found.value:.0f} % [{found.low:.0f}, {found.high:.0f}]</div></div>"
    )


def _bounds(by_reading: Mapping[str, Interval]) -> list[tuple[str, float]]:
    names = (("low", LOWER), ("up", UPPER))
    return [(css, by_reading[name].value) for css, name in names if name in by_reading]
