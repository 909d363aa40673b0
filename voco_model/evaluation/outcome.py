"""What a model scored on one benchmark, by each way of reading, kept to be compared and resampled later.

FOLDER/
  result.json       every figure, the headline with its interval, for each way of reading
  items.parquet     every question with its answer and what that is worth
  shares.parquet    the headline's parts, for intervals, retention and paired comparisons
  looks.json        answers with their pictures, attention, a probe: what a report shows beside figures
  answers/READING/  the answers in the form that the official scorer or server takes
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from voco_model.errors import VocoError
from voco_model.evaluation.items import Figures, Shares
from voco_model.evaluation.scoring import Result
from voco_model.evaluation.statistics import Interval, interval

FORMAT = 1
RESULT, ITEMS, SHARES, ANSWERS = "result.json", "items.parquet", "shares.parquet", "answers"
VOCO, UPPER, LOWER = "voco", "upper", "lower"
"""A row: the model by so many VoCo tokens; the bounds' model in sight of everything; the same through the rule.

Any other row is called as the model that was compared with is called.
"""


@dataclass(frozen=True)
class Row:
    """One way of reading, measured."""

    row: str
    n_voco: int | None
    """None for the upper bound, which reads all vision tokens."""
    headline: Interval
    """On the tables' scale."""
    figures: Figures
    """All that the official scorer prints."""
    shares: Shares
    parts: Mapping[str, Shares] = field(default_factory=dict)
    """What else the paper's tables show, such as a split."""
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """Of the figures, each on its own scale; counts have none."""

    @classmethod
    def of(cls, row: str, n_voco: int | None, result: Result) -> "Row":
        """From scored answers."""
        shares = result.shares()
        return cls(row, n_voco, interval(shares), result.figures, shares, result.parts(), result.intervals())

    @property
    def name(self) -> str:
        """As figures and folders call it: voco_4, upper, lower, pool_1."""
        return self.row if self.row in (UPPER, LOWER) or not self.n_voco else f"{self.row}_{self.n_voco}"

    def measured(self, part: str) -> tuple[Interval, Shares] | None:
        """The headline, or one part of it, where there is one of that name."""
        if not part:
            return self.headline, self.shares
        return (interval(self.parts[part]), self.parts[part]) if part in self.parts else None


@dataclass(frozen=True)
class Outcome:
    """One benchmark."""

    benchmark: str
    title: str
    metric: str
    """The figure that is the headline."""
    rows: Sequence[Row]
    about: Mapping[str, Any] = field(default_factory=dict)
    """Which model, how it was asked."""
    remarks: Sequence[str] = ()
    """What a reader of the figures has to know."""

    def row(self, row: str, n_voco: int | None = None) -> Row | None:
        """One row, where it was measured; the bounds are there once."""
        fitting = (one for one in self.rows if one.row == row)
        return next((one for one in fitting if row in (UPPER, LOWER) or one.n_voco == n_voco), None)

    def flat(self) -> dict[str, float]:
        """Every figure by one name, such as gqa.voco_1.accuracy, with .low and .high where it has an interval."""
        found: dict[str, float] = {}
        for row in self.rows:
            of = row.headline
            told = {**row.figures, "headline": of.value, "low": of.low, "high": of.high}
            for name, bounds in row.intervals.items():
                told |= {f"{name}.low": bounds.low, f"{name}.high": bounds.high}
            found |= {f"{self.benchmark}.{row.name}.{name}": value for name, value in told.items()}
        return found

    def write(self, folder: Path) -> None:
        """`result.json` and `shares.parquet`."""
        rows = [_told(row) for row in self.rows]
        content = {"format": FORMAT, "benchmark": self.benchmark, "title": self.title, "metric": self.metric}
        content |= {"about": dict(self.about), "rows": rows, "remarks": list(self.remarks)}
        (folder / RESULT).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        columns: dict[str, list[Any]] = {"reading": [], "cluster": [], "top": [], "bottom": []}
        for row in self.rows:
            for name, shares in (("", row.shares), *row.parts.items()):
                columns["reading"] += [_key(row.name, name)] * len(shares.clusters)
                columns["cluster"] += shares.clusters
                columns["top"] += shares.numerators.astype(float).tolist()
                columns["bottom"] += shares.denominators.astype(float).tolist()
        pq.write_table(pa.table(columns), folder / SHARES)


def _key(row: str, part: str) -> str:
    return f"{row}/{part}" if part else row


def read_outcome(folder: Path) -> Outcome:
    """What `write` wrote."""
    try:
        content = json.loads((folder / RESULT).read_text("utf-8"))
        if content.get("format") != FORMAT:
            raise VocoError(f"{folder / RESULT}: format {content.get('format')}; this version reads {FORMAT}")
        parts = _by_reading(folder / SHARES)
        rows = [_row(told, parts) for told in content["rows"]]
        names = "benchmark", "title", "metric", "about", "remarks"
        return Outcome(rows=rows, **{name: content[name] for name in names})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, pa.ArrowException) as error:
        if isinstance(error, VocoError):
            raise
        raise VocoError(f"{folder}: not an evaluation's result ({error}); run `voco eval` again") from None


def result_folders(folder: Path) -> list[Path]:
    """The folder itself if it holds a result, or those in it that do."""
    if (folder / RESULT).is_file():
        return [folder]
    if not (found := sorted(path.parent for path in folder.glob(f"*/{RESULT}"))):
        raise VocoError(f"{folder}: no {RESULT} in it or in its folders; give what `voco eval` wrote")
    return found


def write_items(folder: Path, results: Mapping[str, Result]) -> None:
    """Every question with its answer, by each way of reading."""
    lines = [_item(name, item) for name, result in results.items() for item in result.items]
    pq.write_table(pa.Table.from_pylist(lines), folder / ITEMS)


def _item(reading: str, item: Any) -> dict[str, Any]:
    question = item.question
    return {
        "reading": reading,
        "question_id": question.id,
        "category": question.category,
        "kind": question.kind,
        "media": question.media or "",
        "group": question.group,
        "question": question.text,
        "answer": item.answer,
        "truth": json.dumps(question.truth, default=str),
        "read": item.read,
        "score": float(item.score),
        "counts": question.counts,
    }


def _told(row: Row) -> dict[str, Any]:
    bounds = {k: v if np.isfinite(v) else None for k, v in asdict(row.headline).items()}
    return {
        "name": row.name,
        "row": row.row,
        "n_voco": row.n_voco,
        "headline": bounds,
        "questions": int(row.figures.get("questions", 0)),
        "missing": int(row.figures.get("missing", 0)),
        "scale": row.shares.scale,
        "parts": {name: shares.scale for name, shares in row.parts.items()},
        "figures": dict(row.figures),
        "intervals": {name: [bounds.low, bounds.high] for name, bounds in row.intervals.items()},
    }


def _by_reading(path: Path) -> dict[str, tuple[list[str], list[list[float]], list[list[float]]]]:
    parts: dict[str, tuple[list[str], list[list[float]], list[list[float]]]] = {}
    columns = pq.read_table(path).to_pydict()
    for reading, cluster, top, bottom in zip(*(columns[name] for name in columns), strict=True):
        clusters, tops, bottoms = parts.setdefault(reading, ([], [], []))
        clusters.append(cluster)
        tops.append(top)
        bottoms.append(bottom)
    return parts


def _row(told: Mapping[str, Any], parts: Mapping[str, Any]) -> Row:
    bounds = {k: float("nan") if v is None else v for k, v in told["headline"].items()}
    found = {}
    for part, scale in ({"": told["scale"]} | told.get("parts", {})).items():
        clusters, tops, bottoms = parts[_key(told["name"], part)]
        found[part] = Shares(np.array(tops), np.array(bottoms), clusters, scale)
    figures, between = told["figures"], told.get("intervals", {})
    intervals = {name: Interval(figures[name], low, high) for name, (low, high) in between.items()}
    return Row(told["row"], told["n_voco"], Interval(**bounds), figures, found.pop(""), found, intervals)
