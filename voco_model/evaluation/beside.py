"""The paper's tables in their own layout, our measurements beside its figures.

    tables = paper_tables(outcomes)          # those of which something was measured
    tables[0].cells()                        # as text, the head first
    write(tables, folder)                    # paper.md, paper.json, paper/table_1.csv, ...

Ours have their intervals; retention has the bounds' own uncertainty in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from voco_model.evaluation import paper
from voco_model.evaluation.items import Shares
from voco_model.evaluation.outcome import LOWER, UPPER, VOCO, Outcome, Row
from voco_model.evaluation.paper import Column, Layout, Reported
from voco_model.evaluation.statistics import Interval, mean_retention, retention
from voco_model.evaluation.tables import aligned, between, write_csv, write_json

PAPER, OURS = "the paper", "ours"
SCORE, RETAINED = "score", "retention, %"
AVERAGE = "Avg."
ONE_TOKEN = (1, 3)
"""Tables of one token for an image: of ours, those with the fewest stand there."""
OWN_NAMES = {paper.POOLED: "Avg. Pool", paper.QUERIED: "Q-Former"}
SAME_MODEL = 4
"""The table of one model that is read with fewer tokens than it was trained with."""


@dataclass(frozen=True)
class Line:
    """One method's figures, by the columns' titles."""

    method: str
    labels: tuple[str, ...]
    whose: str
    what: str
    figures: dict[str, Interval | float] = field(default_factory=dict)


@dataclass(frozen=True)
class PaperTable:
    """One table."""

    layout: Layout
    lines: list[Line]
    remarks: list[str]

    @property
    def title(self) -> str:
        return f"Table {self.layout.number}: {self.layout.title}"

    @property
    def head(self) -> list[str]:
        """The titles of the columns of figures."""
        return [column.title for column in self.layout.columns] + ([AVERAGE] if self.layout.averaged else [])

    def cells(self) -> list[list[str]]:
        """As text: a line of retention stands below its figures, as in the paper."""
        rows = [["Method", *self.layout.labels, *self.head]]
        for line in self.lines:
            retained = line.what == RETAINED
            labels = [""] * len(line.labels) if retained else list(line.labels)
            decimals = [None if retained or title == AVERAGE else self.layout.decimals for title in self.head]
            figures = [_text(line.figures.get(title), n) for title, n in zip(self.head, decimals, strict=True)]
            rows.append([f"{'retention' if retained else line.method}, {line.whose}", *labels, *figures])
        return rows

    def records(self) -> list[list[Any]]:
        """As a spreadsheet: the head, and figures with their bounds in cells of their own."""
        head = ["Method", *self.layout.labels, "whose", "what"]
        rows: list[list[Any]] = [head + [f"{title}{end}" for title in self.head for end in ("", " low", " high")]]
        for line in self.lines:
            bounded = [_bounded(line.figures.get(title)) for title in self.head]
            rows.append(
                [line.method, *line.labels, line.whose, line.what, *(v for three in bounded for v in three)]
            )
        return rows

    def told(self) -> dict[str, Any]:
        """As JSON."""
        lines = [
            asdict(line)
            | {"labels": dict(zip(self.layout.labels, line.labels, strict=True))}
            | {
                "figures": {
                    t: dict(zip(("value", "low", "high"), _bounded(f), strict=True))
                    for t, f in line.figures.items()
                }
            }
            for line in self.lines
        ]
        return {"table": self.layout.number, "title": self.layout.title, "columns": self.head, "lines": lines}


@dataclass(frozen=True)
class _Mine:
    """One of our rows, in every benchmark that it was measured on."""

    row: str
    n_voco: int | None
    kind: dict[str, object]
    rows: dict[str, Row]

    @property
    def tokens(self) -> int:
        return int(str(self.kind.get("n_vision", 0))) if self.row == UPPER else self.n_voco or 0

    @property
    def method(self) -> str:
        if self.row in (UPPER, LOWER):
            return f"{self.row.capitalize()} Bound"
        trained = self.kind.get("n_voco", self.n_voco)
        name = OWN_NAMES.get(_key(self), "VoCo") if self.row == VOCO else self.row
        return name if trained == self.n_voco else f"{name}, trained with {trained}"


def paper_tables(outcomes: Sequence[Outcome]) -> list[PaperTable]:
    """The tables of which at least one figure was measured."""
    mine = _mine(outcomes)
    tables = [_table(layout, outcomes, mine) for layout in paper.LAYOUTS]
    return [table for table in tables if any(line.whose == OURS for line in table.lines)]


def _mine(outcomes: Sequence[Outcome]) -> list[_Mine]:
    found: dict[tuple[str, int | None], _Mine] = {}
    for outcome in outcomes:
        kinds = outcome.about.get("kinds", {})
        for row in outcome.rows:
            kind = kinds.get(UPPER if row.row == LOWER else row.row, {})
            own = found.setdefault((row.row, row.n_voco), _Mine(row.row, row.n_voco, kind, {}))
            own.rows[outcome.benchmark] = row
    return list(found.values())


def _key(one: _Mine) -> str:
    """Beside which of the paper's rows it stands."""
    if one.row in (UPPER, LOWER):
        return one.row
    return str(one.kind.get("compressor", paper.VOCO_ROW if one.row == VOCO else ""))


def _table(layout: Layout, outcomes: Sequence[Outcome], mine: Sequence[_Mine]) -> PaperTable:
    shown = [one for one in mine if any(one.rows.get(c.benchmark) for c in layout.columns)]
    if layout.number == SAME_MODEL:
        shown = [one for one in shown if one.row == VOCO]
    elif layout.number in ONE_TOKEN:
        fewest = min((one.tokens for one in shown if _key(one) == paper.VOCO_ROW), default=0)
        shown = [one for one in shown if _key(one) != paper.VOCO_ROW or one.tokens == fewest]
    lines: list[Line] = []
    for number, reported in enumerate(layout.rows):
        lines += _reported(layout, reported)
        last = reported.ours not in [other.ours for other in layout.rows[number + 1 :]]
        due = [
            one for one in shown if reported.ours == _key(one) != "" and (last or one.tokens == reported.tokens)
        ]
        for one in sorted(due, key=lambda one: one.tokens, reverse=True):
            shown.remove(one)
            lines += _measured(layout, one, outcomes)
    return PaperTable(layout, lines, _remarks(layout, outcomes, lines))


def _reported(layout: Layout, row: Reported) -> Iterator[Line]:
    titles = [column.title for column in layout.columns]
    figures = {t: v for t, v in zip(titles, row.figures, strict=True) if v is not None}
    average = {AVERAGE: row.average} if row.average is not None else {}
    if not row.retained:
        yield Line(row.method, row.labels, PAPER, SCORE, {**figures, **average})
        return
    yield Line(row.method, row.labels, PAPER, SCORE, {**figures})
    retained = {t: v for t, v in zip(titles, row.retained, strict=True) if v is not None}
    yield Line(row.method, row.labels, PAPER, RETAINED, {**retained, **average})


def _measured(layout: Layout, one: _Mine, outcomes: Sequence[Outcome]) -> Iterator[Line]:
    told = {"Visual Encoder": "vision", "LLM": "language", "Res.": "resolution"}
    labels = tuple(str(one.kind.get(told[t], "")) if t in told else str(one.tokens) for t in layout.labels)
    figures: dict[str, Interval | float] = {}
    retained: dict[str, Interval | float] = {}
    parts = []
    for column in layout.columns:
        found = one.rows[column.benchmark].measured(column.part) if column.benchmark in one.rows else None
        if found is None:
            continue
        figures[column.title] = found[0]
        bounds = _bounds(column, outcomes)
        if layout.averaged and bounds:
            parts.append((found[1], *bounds))
            retained[column.title] = retention(found[1], *bounds)
    average: dict[str, Interval | float] = {AVERAGE: mean_retention(parts)} if parts else {}
    apart = bool(layout.rows[0].retained)
    if figures:
        yield Line(one.method, labels, OURS, SCORE, figures if apart else {**figures, **average})
    if apart and retained:
        yield Line(one.method, labels, OURS, RETAINED, {**retained, **average})


def _bounds(column: Column, outcomes: Sequence[Outcome]) -> tuple[Shares, Shares] | None:
    """Lower and upper, where there are both and they lie apart."""
    outcome = next((o for o in outcomes if o.benchmark == column.benchmark), None)
    rows = [outcome.row(name) if outcome else None for name in (LOWER, UPPER)]
    found = [row.measured(column.part) if row else None for row in rows]
    lower, upper = found
    return (lower[1], upper[1]) if lower and upper and upper[0].value > lower[0].value else None


def _remarks(layout: Layout, outcomes: Sequence[Outcome], lines: Sequence[Line]) -> list[str]:
    """What stands in the way of comparing ours with the paper's."""
    known = {outcome.benchmark for outcome in outcomes}
    missing = [column.title for column in layout.columns if column.benchmark not in known]
    remarks = [f"Table {layout.number}: not evaluated: {', '.join(missing)}"] if missing else []
    if layout.averaged and any(line.whose == OURS and AVERAGE in line.figures for line in lines):
        columns = [column.title for column in layout.columns if _bounds(column, outcomes)]
        remarks.append(f"Table {layout.number}: our {AVERAGE} is mean retention over {', '.join(columns)}")
    return remarks


def write(tables: Sequence[PaperTable], folder: Path, noted: Sequence[str] = ()) -> None:
    """All tables: to read, as data, and each as a spreadsheet; `noted` is to be known about all."""
    texts = [f"{table.title}\n\n{aligned(table.cells())}" for table in tables]
    remarks = [f"- {remark}\n" for remark in [*noted, *(one for table in tables for one in table.remarks)]]
    (folder / "paper.md").write_text("\n".join([*texts, "".join(remarks)]).rstrip() + "\n", "utf-8")
    write_json([{**table.told(), "remarks": table.remarks} for table in tables], folder / "paper.json")
    for table in tables:
        write_csv(table.records(), folder / "paper" / f"table_{table.layout.number}.csv")


def _bounded(figure: Interval | float | None) -> tuple[float | None, float | None, float | None]:
    if isinstance(figure, Interval):
        return figure.value, figure.low, figure.high
    return figure, None, None


def _text(figure: Interval | float | None, decimals: int | None) -> str:
    """With so many decimals, or else as percent."""
    value, low, high = _bounded(figure)
    if value is None:
        return ""
    sign, decimals = ("%", 1) if decimals is None else ("", decimals)
    return f"{value:.{decimals}f}{sign}{between(low, high, decimals)}"
