"""What is known of a model when it is judged: tables, answers' scores, efficiency, the validation of its data."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voco_model.errors import VocoError
from voco_model.evaluation.items import Shares

if TYPE_CHECKING:
    from voco_model.portable.parity import Parity

TABLES, EFFICIENCY, RESULT = "tables.json", "efficiency.json", "result.json"
GRAPHS = "onnx"
"""An export's folder of ONNX graphs."""
BENCHMARKS, ITEMS = "benchmarks", "items.parquet"
RETENTION, MEAN = "retention, %", "mean"
"""The table, and its metric over all benchmarks."""
Items = Mapping[str, tuple[str, float]]
"""Question to its picture and score."""


@dataclass(frozen=True)
class Figure:
    """A figure of the tables with its interval; None where a bound is not known."""

    value: float
    low: float | None = None
    high: float | None = None

    def end(self, by: str) -> float | None:
        """What a threshold is held against."""
        return self.value if by == "value" else self.low

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.1f}"
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


@dataclass(frozen=True)
class Evidence:
    """Of one model, as the steps before promotion left it."""

    tables: Path
    """`summarise`'s folder."""
    efficiency: Path
    """`profile`'s folder."""
    graphs: Path | None = None
    """The exported ONNX graphs' folder, of which the parity is read; None where there are none."""

    def parity(self) -> "Parity | None":
        """How far the graphs are from the model; None where that was not measured."""
        from voco_model.portable.parity import PARITY, read_parity

        if self.graphs is None or not (self.graphs / PARITY).is_file():
            return None
        return read_parity(self.graphs)

    def retention(self, n_voco: int, benchmark: str | None = None) -> Figure | None:
        """On average over the benchmarks, or on one; None where it was not measured."""
        for row in self._rows():
            is_it = row.get("table") == RETENTION and row.get("metric") == (benchmark or MEAN)
            if is_it and row.get("n_voco") == n_voco:
                return _figure(row)
        return None

    def cache_share(self, n_voco: int) -> float | None:
        """Bytes kept for an image as so many tokens, over those of all its vision tokens."""
        path = self.efficiency / EFFICIENCY
        found = _read(path) if path.is_file() else {}
        try:
            ways = found["ways"]
            kept, whole = (ways[name]["cache_bytes"] for name in (f"voco_{n_voco}", "full_cache"))
            return float(kept) / float(whole)
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return None  # not measured

    def benchmarks(self) -> list[str]:
        """Those whose answers were kept question by question."""
        return sorted(path.parent.name for path in (self.tables / BENCHMARKS).glob(f"*/{ITEMS}"))

    def token_numbers(self) -> list[int]:
        """Numbers of tokens at which retention is in the tables."""
        found = {row.get("n_voco") for row in self._rows() if row.get("table") == RETENTION}
        return sorted(n for n in found if isinstance(n, int))

    def items(self, benchmark: str, n_voco: int) -> Items:
        """Question to its picture and score, read with so many tokens; those that do not count are left out."""
        path = self.tables / BENCHMARKS / benchmark / ITEMS
        if not path.is_file():
            return {}
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = ["reading", "question_id", "group", "score", "counts"]
        try:
            read = pq.read_table(path, columns=columns, filters=[("reading", "=", f"voco_{n_voco}")])
            rows = read.to_pylist()
            return {str(r["question_id"]): (str(r["group"]), float(r["score"])) for r in rows if r["counts"]}
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            why = " ".join(str(error).split())[:200]
            raise VocoError(f"{path}: no scored answers ({why}); run the step summarise again") from None

    def _rows(self) -> Sequence[Mapping[str, Any]]:
        path = self.tables / TABLES
        found = _read(path) if path.is_file() else []
        return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def validation_passed(report: Path) -> tuple[bool | None, str]:
    """What `validate` said of the data, and why; None where it said nothing."""
    path = report / RESULT
    if not path.is_file():
        return None, f"no {RESULT} in the report"
    found = _read(path)
    passed = found.get("passed") if isinstance(found, Mapping) else None
    if not isinstance(passed, bool):
        return None, f"{RESULT} holds no verdict"
    return passed, str(found.get("reason") or ("all contracts hold" if passed else "no reason given"))


def paired(ours: Items, theirs: Items) -> tuple[Shares, Shares] | None:
    """The questions that both answered, in one order; None where there are none."""
    common = sorted(set(ours) & set(theirs))
    if not common:
        return None
    groups = [ours[name][0] for name in common]
    first, second = (np.array([[of[name][1]] for name in common]) for of in (ours, theirs))
    return Shares(first, np.ones_like(first), groups, 100.0), Shares(second, np.ones_like(second), groups, 100.0)


def _figure(row: Mapping[str, Any]) -> Figure | None:
    numbers = [row.get(name) for name in ("value", "low", "high")]
    value, low, high = (float(n) if isinstance(n, int | float) and math.isfinite(n) else None for n in numbers)
    return None if value is None else Figure(value, low, high)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise VocoError(f"{path}: not readable ({error}); run the step that makes it again") from None
