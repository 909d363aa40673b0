"""All benchmarks of one model as the paper's tables: figures, retention on each and on average, intervals.

FOLDER/
  tables.json    every figure: table, row, n_voco, metric, value, low, high, the paper's
  tables.md      the same to read
  report.html    the same with curves, bars, answers, attention, a probe, the run's identity; needs no network
  benchmarks/    what each benchmark's evaluation left, for paired comparisons
"""

import math
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from voco_model.errors import VocoError
from voco_model.evaluation import paper
from voco_model.evaluation.kinds import Kind, kinds_of
from voco_model.evaluation.looks import read_looks
from voco_model.evaluation.outcome import ITEMS, LOWER, RESULT, SHARES, UPPER, VOCO, Outcome, Row, read_outcome
from voco_model.evaluation.report import page, widest
from voco_model.evaluation.statistics import mean_retention, retention
from voco_model.evaluation.tables import RETENTION, Figure, figure, markdown, write
from voco_model.files import whole_folder

BENCHMARKS, REPORT = "benchmarks", "report.html"
SCORES = "scores"
"""The table beside retention's; the metric of each figure is a benchmark's name, or `mean`."""
MEAN = "mean"
PAPER = "The paper's figures are Vicuna-7B's on the benchmarks' own pictures, whatever was asked here."
ROWS = {UPPER: "upper bound", VOCO: "VoCo", LOWER: "lower bound"}


def summarise(
    outcomes: Sequence[Outcome], folders: Sequence[Path], out: Path, made: datetime | None = None
) -> list[Figure]:
    """Write `out` from several evaluations of one model, and the folders that they were read from.

    made: when the run was, for the report; without it the same results give the same bytes.
    """
    _check(outcomes)
    figures, remarks = figures_of(outcomes)
    titles = {outcome.benchmark: outcome.title for outcome in outcomes} | {MEAN: "mean"}
    with whole_folder(out) as folder:
        write(figures, folder / "tables.json")
        text = markdown(figures, titles)
        noted = "".join(f"- {remark}\n" for remark in remarks)
        (folder / "tables.md").write_text(f"{text}\n{noted}".rstrip() + "\n", "utf-8")
        seen = [(outcome, read_looks(source)) for outcome, source in zip(outcomes, folders, strict=True)]
        behind = [(outcome, looks) for outcome, looks in seen if looks is not None]
        when = None if made is None else f"{made.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        html = page(outcomes, figures, titles, remarks, behind, _kinds(outcomes, folders), when)
        (folder / REPORT).write_text(html, "utf-8")
        for outcome, source in zip(outcomes, folders, strict=True):
            kept = folder / BENCHMARKS / outcome.benchmark
            kept.mkdir(parents=True)
            for name in (RESULT, ITEMS, SHARES):
                shutil.copyfile(source / name, kept / name)
    return figures


def _kinds(outcomes: Sequence[Outcome], folders: Sequence[Path]) -> dict[str, list[Kind]]:
    """Each benchmark's types of question, by the rows that the report draws."""
    found = {}
    for outcome, folder in zip(outcomes, folders, strict=True):
        row = widest(outcome)
        found[outcome.benchmark] = kinds_of(folder, [*([row.name] if row else []), UPPER, LOWER])
    return found


def outcomes_of(tables: Path) -> dict[str, Outcome]:
    """What stands behind a summary's tables, by benchmark."""
    found = [read_outcome(path.parent) for path in sorted((tables / BENCHMARKS).glob(f"*/{RESULT}"))]
    return {outcome.benchmark: outcome for outcome in found}


def figures_of(outcomes: Sequence[Outcome]) -> tuple[list[Figure], list[str]]:
    """All figures, and what a reader has to know about them."""
    figures = [_score(outcome, row) for outcome in outcomes for row in _in_order(outcome)]
    remarks = [f"{outcome.title}: {remark}" for outcome in outcomes for remark in outcome.remarks]
    bounded = [outcome for outcome in outcomes if outcome.row(UPPER) and outcome.row(LOWER)]
    apart = []
    for outcome in bounded:
        upper, lower = (_bound(outcome, row).headline.value for row in (UPPER, LOWER))
        if upper > lower:
            figures += [_retained(outcome, row) for row in _in_order(outcome) if row.row == VOCO]
            apart.append(outcome)
        else:
            why = f"the upper bound ({upper:.1f}) is not above the lower ({lower:.1f})"
            remarks.append(f"{outcome.title}: no retention, {why}")
    numbers = sorted({row.n_voco for outcome in apart for row in outcome.rows if row.row == VOCO and row.n_voco})
    if any(one.paper is not None for one in figures):
        remarks.append(PAPER)
    return figures + [_mean(apart, n) for n in numbers if all(o.row(VOCO, n) for o in apart)], remarks


def flat(figures: Sequence[Figure]) -> dict[str, float]:
    """By one name each, such as retention.voco_1 for the mean and gqa.retention.voco_1, with .low and .high."""
    found: dict[str, float] = {}
    for one in figures:
        if one.table != RETENTION:
            continue
        name = f"retention.{VOCO}_{one.n_voco}"
        name = name if one.metric == MEAN else f"{one.metric}.{name}"
        told = {name: one.value, f"{name}.low": one.low, f"{name}.high": one.high}
        found |= {key: value for key, value in told.items() if value is not None and math.isfinite(value)}
    return found


def _check(outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        raise VocoError("there is no result to summarise; run `voco eval` first")
    names = [outcome.benchmark for outcome in outcomes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise VocoError(f"two results of {twice}; give each benchmark's once")
    for what in ("model", "upper"):
        digests = {outcome.about.get(what): outcome for outcome in outcomes if outcome.about.get(what)}
        if len(digests) > 1:
            (_, one), (_, other) = sorted(digests.items())[:2]
            raise VocoError(
                f"{one.title} and {other.title} are of different models ({what}); evaluate one model on both"
            )


def _in_order(outcome: Outcome) -> list[Row]:
    return sorted(outcome.rows, key=lambda row: (list(ROWS).index(row.row), row.n_voco or 0))


def _score(outcome: Outcome, row: Row) -> Figure:
    n_voco = row.n_voco if row.row == VOCO else None
    known = {UPPER: paper.UPPER, LOWER: paper.LOWER}.get(row.row)
    beside = (
        paper.VOCO.get(outcome.benchmark, {}).get(n_voco or 0) if known is None else known.get(outcome.benchmark)
    )
    return figure(SCORES, ROWS[row.row], n_voco, outcome.benchmark, row.headline, beside)


def _retained(outcome: Outcome, row: Row) -> Figure:
    found = retention(row.shares, _bound(outcome, LOWER).shares, _bound(outcome, UPPER).shares)
    beside = paper.retention(outcome.benchmark, row.n_voco or 0)
    return figure(RETENTION, ROWS[VOCO], row.n_voco, outcome.benchmark, found, beside)


def _mean(outcomes: Sequence[Outcome], n_voco: int) -> Figure:
    parts = []
    for outcome in outcomes:
        row = outcome.row(VOCO, n_voco)
        assert row is not None
        parts.append((row.shares, _bound(outcome, LOWER).shares, _bound(outcome, UPPER).shares))
    beside = paper.mean_retention([outcome.benchmark for outcome in outcomes], n_voco)
    return figure(RETENTION, ROWS[VOCO], n_voco, MEAN, mean_retention(parts), beside)


def _bound(outcome: Outcome, name: str) -> Row:
    row = outcome.row(name)
    assert row is not None
    return row
