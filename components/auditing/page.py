"""An audit as one page that needs no network: the graph of steps to click through, and all that was checked."""

import html
from collections.abc import Iterable, Mapping, Sequence

from components.auditing.items import RIGHT, SIGNS, UNKNOWN, WRONG, Item
from components.auditing.lineage import Lineage

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#222;background:#fff}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25em .6em;
border-bottom:1px solid #ddd}td:nth-child(4),td:nth-child(5),td:nth-child(6){overflow-wrap:anywhere}
td:nth-child(4){font-family:monospace;font-size:.85em}.wrong{color:#b00020}.unknown{color:#8a5a00}.right{color:#1b6e2e}
svg text{font:13px system-ui,sans-serif;fill:#222}svg rect{fill:#f4f8f4;stroke:#1b6e2e;stroke-width:1.5}
svg .wrong rect{fill:#fdecee;stroke:#b00020}svg .unknown rect{fill:#fff6e5;stroke:#8a5a00}
svg a:hover rect,svg a:focus rect{stroke-width:3}svg path{fill:none;stroke:#999}section:target{background:#eef4ff}
@media(max-width:45em){tr:first-child{display:none}tr{display:block;padding:.4em 0 .4em 1.8em;position:relative;
border-bottom:1px solid #ddd}td{display:inline;border:0;padding:0 .5em 0 0}
td:first-child{position:absolute;left:.4em}td:nth-child(3){font-weight:600}td:nth-child(n+4){display:block;overflow-wrap:anywhere}td:empty{display:none}}
"""
"""On a narrow screen each row stands as a paragraph of its own."""
WIDE, HIGH, ACROSS, DOWN = 150, 40, 50, 20
"""Of a step's box, and between boxes."""
Edge = tuple[str, str]


def page(heading: str, items: Sequence[Item], lineage: Lineage | None) -> str:
    """The page's HTML. lineage: what draws the graph; without it there is the list alone."""
    told = html.escape
    owners = list(dict.fromkeys(item.owner for item in items))
    verdicts = {owner: worst(item.verdict for item in items if item.owner == owner) for owner in owners}
    counts = ", ".join(f"{sign} {sum(i.verdict == verdict for i in items)}" for verdict, sign in SIGNS.items())
    parts = ["<!doctype html><html lang=en><meta charset=utf-8>"]
    parts.append("<meta name=viewport content='width=device-width,initial-scale=1'>")
    parts.append(f"<title>{told(heading)}</title><style>{STYLE}</style><h1>{told(heading)}</h1><p>{counts}")
    if lineage is not None:
        parts.append(f"<div class=scroll>{graph(lineage, verdicts)}</div>")
    for owner in owners:
        own = [item for item in items if item.owner == owner]
        sign = f"<span class={verdicts[owner]}>{SIGNS[verdicts[owner]]}</span>"
        parts.append(f"<section id='{_id(owner)}'><h2>{sign} {told(owner)}</h2>{_table(own)}</section>")
    return "\n".join([*parts, "</html>", ""])


def worst(verdicts: Iterable[str]) -> str:
    """Of several verdicts, the one that counts."""
    found = set(verdicts)
    return next(verdict for verdict in (WRONG, UNKNOWN, RIGHT) if verdict in found)


def graph(lineage: Lineage, verdicts: Mapping[str, str]) -> str:
    """Steps as boxes, from what reads the world on the left to what was registered on the right."""
    tasks = [entry.record.task for entry in lineage.entries]
    edges = edges_of(lineage)
    columns = layers(tasks, edges)
    rows: dict[int, int] = {}
    at: dict[str, tuple[int, int]] = {}
    for task in tasks:
        column = columns[task]
        row = rows[column] = rows.get(column, -1) + 1
        at[task] = (10 + column * (WIDE + ACROSS), 10 + row * (HIGH + DOWN))
    wide = 20 + (max(columns.values(), default=0) + 1) * (WIDE + ACROSS) - ACROSS
    high = 20 + (max(rows.values(), default=0) + 1) * (HIGH + DOWN) - DOWN
    lines = [_line(at[one], at[other]) for one, other in edges]
    boxes = [_box(task, at[task], verdicts.get(task, UNKNOWN)) for task in tasks]
    inner = "".join([*lines, *boxes])
    return f"<svg width={wide} height={high} viewBox='0 0 {wide} {high}' role=img aria-label=lineage>{inner}</svg>"


def edges_of(lineage: Lineage) -> list[Edge]:
    """Which task's output another reads; by digests, not by what the document states."""
    made = {c.sha256: entry.record.task for entry in lineage.entries for c in entry.record.outputs.values()}
    found = [
        (made[content.sha256], entry.record.task)
        for entry in lineage.entries
        for content in entry.record.inputs.values()
        if content.sha256 in made and made[content.sha256] != entry.record.task
    ]
    return list(dict.fromkeys(found))


def layers(tasks: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Task to its column: right of all that it reads. A circle, which only a forger draws, ends all the same."""
    columns = dict.fromkeys(tasks, 0)
    for _ in tasks:
        before = dict(columns)
        for one, other in edges:
            columns[other] = min(max(columns[other], columns[one] + 1), len(tasks) - 1)
        if columns == before:
            break
    return columns


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x, y), (to_x, to_y) = (start[0] + WIDE, start[1] + HIGH // 2), (end[0], end[1] + HIGH // 2)
    return f"<path d='M{x},{y} C{x + ACROSS},{y} {to_x - ACROSS},{to_y} {to_x},{to_y}'/>"


def _box(task: str, at: tuple[int, int], verdict: str) -> str:
    shown = task if len(task) <= 18 else f"{task[:17]}…"
    text = f"<text x={at[0] + 10} y={at[1] + 25}>{SIGNS[verdict]} {html.escape(shown)}</text>"
    box = f"<rect x={at[0]} y={at[1]} width={WIDE} height={HIGH} rx=6></rect>"
    title = f"<title>{html.escape(task)}: {verdict}</title>"
    return f"<a href='#{_id(task)}' class={verdict}>{title}{box}{text}</a>"


def _table(items: Sequence[Item]) -> str:
    rows = []
    for item in items:
        cells = (item.kind, item.name, item.digest, item.location, item.why)
        tail = "".join(f"<td>{html.escape(cell)}" for cell in cells)
        rows.append(f"<tr><td class={item.verdict}>{SIGNS[item.verdict]}{tail}")
    return f"<table><tr><th><th>Kind<th>Name<th>Digest<th>Where<th>Why{''.join(rows)}</table>"


def _id(owner: str) -> str:
    """An anchor that no name can break out of."""
    return "step-" + owner.encode().hex()
