"""The experiment's figures as tables: ours with their intervals, the paper's beside."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from voco_model.evaluation.statistics import LEVEL, Interval
from voco_model.files import whole_file

RETENTION = "retention, %"
ACCURACY = "mean accuracy, %"
PAPER = {1: 83.7, 128: 97.7}
"""Average retention in the paper's tables (arXiv 2406.12275) by the number of VoCo tokens, on its benchmarks."""


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


def over_seeds(values: Sequence[float], level: float = LEVEL) -> Interval:
    """The mean over seeds with its t interval; one seed alone says nothing of how far another would be."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, -math.inf, math.inf, level)
    reach = float(stats.t.ppf((1 + level) / 2, len(values) - 1) * stats.sem(values))
    return Interval(mean, mean - reach, mean + reach, level)


def show(figures: Sequence[Figure]) -> str:
    """All tables as text."""
    lines = []
    for table in dict.fromkeys(each.table for each in figures):
        lines += ["", table, f"  {'':<28}{'N':>4}  {'':<22}{'value':>8}  {'95 % interval':>18}{'paper':>8}"]
        lines += [_line(each) for each in figures if each.table == table]
    return "\n".join(lines[1:])


def _line(each: Figure) -> str:
    n = "" if each.n_voco is None else str(each.n_voco)
    bounded = each.low is not None and each.high is not None and math.isfinite(each.low)
    between = f"[{each.low:.1f}, {each.high:.1f}]" if bounded else ""
    paper = "" if each.paper is None else f"{each.paper:.1f}"
    line = f"  {each.row:<28}{n:>4}  {each.metric:<22}{each.value:>8.1f}  {between:>18}{paper:>8}"
    return line.rstrip()


def write(figures: Sequence[Figure], path: Path) -> None:
    """`tables.json`: a list of figures; a bound that is not known is null."""
    entries = [
        {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in e.items()}
        for e in map(asdict, figures)
    ]
    with whole_file(path) as file:
        file.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
