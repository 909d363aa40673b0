"""All benchmarks of one model as the paper's tables: figures, retention on each and on average, intervals.

FOLDER/
  tables.json    every figure: table, row, n_voco, metric, value, low, high, the paper's
  tables.md      the same to read
  paper.md       the paper's tables in their own layout, ours beside; paper.json, paper/table_N.csv: as data
  comparisons.*  the model against its bounds or the baselines, where that was asked for: .md, .json, .csv
  report.html    all of it with curves, bars, answers, attention, a probe, the run's identity; needs no network
  benchmarks/    what each benchmark's evaluation left, for paired comparisons
"""

import math
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from voco_model.errors import VocoError
from voco_model.evaluation import beside, comparing, paper
from voco_model.evaluation.beside import paper_tables
from voco_model.evaluation.comparing import verdicts
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
ENDLESS = "A retention without an interval could be anything: its bounds cannot be told apart."
ROWS = {UPPER: "upper bound", VOCO: "VoCo", LOWER: "lower bound"}


def summarise(
    outcomes: Sequence[Outcome],
    folders: Sequence[Path],
    out: Path,
    against: Sequence[str] = (),
    made: datetime | None = None,
) -> list[Figure]:
    """Write `out` from several evaluations of one model, and the folders that they were read from.

    against: what to compare the model with, `bounds` or `baselines` or both.
    made: when the run was, for the report; without it the same results give the same bytes.
    """
    _check(outcomes)
    tables, found = paper_tables(outcomes), verdicts(outcomes, against)
    figures, remarks = figures_of(outcomes)
    titles = {outcome.benchmark: outcome.title for outcome in outcomes} | {MEAN: "mean"}
    with whole_folder(out) as folder:
        write(figures, folder / "tables.json")
        text = markdown(figures, titles)
        noted = "".join(f"- {remark}\n" for remark in remarks)
        (folder / "tables.md").write_text(f"{text}\n{noted}".rstrip() + "\n", "utf-8")
        beside.write(tables, folder, remarks)
        more = [(table.title, table.cells()) for table in tables]
        if found:
            comparing.write(found, folder)
            more.insert(0, ("Comparisons", comparing.cells(found)))
        remarks += [remark for table in tables for remark in table.remarks] + ([comparing.NOTE] if found else [])
        seen = [(outcome, read_looks(source)) for outcome, source in zip(outcomes, folders, strict=True)]
        behind = [(outcome, looks) for outcome, looks in seen if looks is not None]
        when = None if made is None else f"{made.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        html = page(outcomes, figures, titles, remarks, more, behind, _kinds(outcomes, folders), when)
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
    figures += [_mean(apart, n) for n in numbers if all(o.row(VOCO, n) for o in apart)]
    if any(one.low is not None and not math.isfinite(one.low) for one in figures):
        remarks.append(ENDLESS)
    if any(one.paper is not None for one in figures):
        remarks.append(PAPER)
    return figures, remarks


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
    asked = [(o, {k: o.about.get(k) for k in ("model", "upper")} | o.about.get("others", {})) for o in outcomes]
    for what in dict.fromkeys(name for _, digests in asked for name in digests):
        digests = {one[what]: outcome for outcome, one in asked if one.get(what)}
        if len(digests) > 1:
            (_, one), (_, other) = sorted(digests.items())[:2]
            raise VocoError(
                f"{one.title} and {other.title} are of different models ({what}); evaluate one model on both"
            )


def _in_order(outcome: Outcome) -> list[Row]:
    """The upper bound, ours, the others, the lower bound."""
    order = {UPPER: 0, VOCO: 1, LOWER: 3}
    return sorted(outcome.rows, key=lambda row: (order.get(row.row, 2), row.n_voco or 0))


def _score(outcome: Outcome, row: Row) -> Figure:
    n_voco = None if row.row in (UPPER, LOWER) else row.n_voco
    if row.row not in ROWS:
        return figure(SCORES, row.row, n_voco, outcome.benchmark, row.headline)
    known = {UPPER: paper.UPPER, LOWER: paper.LOWER}.get(row.row)
    theirs = paper.VOCO.get(outcome.benchmark, {}).get(n_voco or 0)
    theirs = theirs if known is None else known.get(outcome.benchmark)
    return figure(SCORES, ROWS[row.row], n_voco, outcome.benchmark, row.headline, theirs)


def _retained(outcome: Outcome, row: Row) -> Figure:
    found = retention(row.shares, _bound(outcome, LOWER).shares, _bound(outcome, UPPER).shares)
    theirs = paper.retention(outcome.benchmark, row.n_voco or 0)
    return figure(RETENTION, ROWS[VOCO], row.n_voco, outcome.benchmark, found, theirs)


def _mean(outcomes: Sequence[Outcome], n_voco: int) -> Figure:
    parts = []
    for outcome in outcomes:
        row = outcome.row(VOCO, n_voco)
        assert row is not None
        parts.append((row.shares, _bound(outcome, LOWER).shares, _bound(outcome, UPPER).shares))
    theirs = paper.mean_retention([outcome.benchmark for outcome in outcomes], n_voco)
    return figure(RETENTION, ROWS[VOCO], n_voco, MEAN, mean_retention(parts), theirs)


def _bound(outcome: Outcome, name: str) -> Row:
    row = outcome.row(name)
    assert row is not None
    return row
