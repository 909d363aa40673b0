"""Figures as tables: ours with their intervals, the paper's beside."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from voco_model.evaluation.statistics import Interval
from voco_model.files import whole_file

RETENTION = "retention, %"
ACCURACY = "mean accuracy, %"


@dataclass(frozen=True)
class Figure:
    """One figure of one table."""

    table: str
    row: str
    n_voco: int | None
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    paper: float | None = None


def figure(
    table: str, row: str, n_voco: int | None, metric: str, found: Interval, paper: float | None = None
) -> Figure:
    """A figure with its interval."""
    return Figure(table, row, n_voco, metric, found.value, found.low, found.high, paper)


def show(figures: Sequence[Figure]) -> str:
    """All tables as text."""
    lines = []
    for table in dict.fromkeys(each.table for each in figures):
        lines += ["", table, f"  {'':<28}{'N':>4}  {'':<22}{'value':>8}  {'95 % interval':>18}{'paper':>8}"]
        lines += [_line(each) for each in figures if each.table == table]
    return "\n".join(lines[1:])


def _line(each: Figure) -> str:
    n = "" if each.n_voco is None else str(each.n_voco)
    paper = "" if each.paper is None else f"{each.paper:.1f}"
    bounds = between(each.low, each.high).strip()
    line = f"  {each.row:<28}{n:>4}  {each.metric:<22}{each.value:>8.1f}  {bounds:>18}{paper:>8}"
    return line.rstrip()


def write(figures: Sequence[Figure], path: Path) -> None:
    """`tables.json`: a list of figures; a bound that is not known is null."""
    write_json([asdict(each) for each in figures], path)


def write_json(value: Any, path: Path) -> None:
    """As JSON knows it: a number without end is null."""
    with whole_file(path) as file:
        file.write_text(json.dumps(finite(value), indent=1) + "\n", encoding="utf-8")


def write_csv(rows: Sequence[Sequence[Any]], path: Path) -> None:
    """As a spreadsheet reads it; a number without end is an empty cell."""
    with whole_file(path) as file, file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(finite(rows))


def finite(value: Any) -> Any:
    """None for each number without end."""
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(figures: Sequence[Figure], titles: Mapping[str, str]) -> str:
    """A table for each, metrics side by side, the paper's figures in rows of their own."""
    return "\n".join(
        f"{table}\n\n{aligned(grid([f for f in figures if f.table == table], titles))}"
        for table in dict.fromkeys(each.table for each in figures)
    )


def grid(figures: Sequence[Figure], titles: Mapping[str, str]) -> list[list[str]]:
    """One table's cells, its head first: a column for each metric."""
    metrics = list(dict.fromkeys(each.metric for each in figures))
    rows = list(dict.fromkeys((each.row, each.n_voco) for each in figures))
    cells = [["", "N", *(titles.get(metric, metric) for metric in metrics)]]
    for row, n_voco in rows:
        here = {f.metric: f for f in figures if (f.row, f.n_voco) == (row, n_voco)}
        n = "" if n_voco is None else str(n_voco)
        cells.append([row, n, *(_cell(here.get(metric)) for metric in metrics)])
        known = [f"{here[m].paper:.1f}" if m in here and here[m].paper is not None else "" for m in metrics]
        if any(known):
            cells.append([f"{row}, the paper", n, *known])
    return cells


def _cell(one: Figure | None) -> str:
    if one is None:
        return ""
    return f"{one.value:.1f}{between(one.low, one.high)}"


def between(low: float | None, high: float | None, decimals: int = 1) -> str:
    """An interval as it stands behind its figure; nothing where it has no end."""
    if low is None or high is None or not math.isfinite(low):
        return ""
    return f" [{low:.{decimals}f}, {high:.{decimals}f}]"


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Cells as a Markdown table, its head first, columns below each other."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
