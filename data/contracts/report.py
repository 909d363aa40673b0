"""From verdicts to what a person reads, and to the records that are set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.kinds import Check, Contract
from data.contracts.likeness import NOTHING, Likeness
from data.contracts.measure import OK, Measured
from voco_model.data.manifest import QUARANTINE_SCHEMA

EXAMPLES = 5
LONGEST = 200
"""Characters of an id that are shown."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations says of one check."""

    success: bool
    expectation: str
    """The type of the expectation."""
    unexpected: int
    total: int
    """Of the records that the check applies to."""
    values: Any
    """What was observed, for checks of the whole."""


@dataclass(frozen=True)
class CheckResult:
    """One check's verdict, as it stands in the result file."""

    name: str
    expectation: str
    """The type of the Great Expectations expectation; empty where it was not checked."""
    severity: str
    says: str
    success: bool | None
    """None where it was not checked; `observed` then says why."""
    observed: str
    unexpected_count: int = 0
    applies_to: int = 0
    allowed: float = 0.0
    examples: tuple[str, ...] = ()
    """Ids of the first records that failed."""

    @property
    def verdict(self) -> str:
        """passed, failed (severity error), warned (severity warning) or skipped."""
        if self.success is None:
            return "skipped"
        return "passed" if self.success else "failed" if self.severity == "error" else "warned"


def not_checked(check: Check, frame: pd.DataFrame, previous: np.ndarray | None, benchmarks: bool) -> str:
    """Why a check cannot be made; empty where it can."""
    if check.sort == "records":
        return ""
    if not len(frame):
        return "there are no records"
    if check.sort == "drift":
        return "" if previous is not None and len(previous) else "no previous version to compare with"
    if check.name.startswith("leak") and not benchmarks:
        return "no benchmark was given"
    if not frame[check.column].isna().all():
        return ""
    pictures = (frame["media_kind"] != "text").any()
    if pictures and check.column in ("decodable", "short_side", "long_side", "aspect"):
        return "ingested without decoding: no picture has a size"
    return "no record that it applies to"


def failing(check: Check, contract: Contract, frame: pd.DataFrame) -> np.ndarray:
    """The records that fail a check, whatever share of them is allowed to."""
    if check.sort in ("records", "drift"):
        return np.zeros(len(frame), bool)
    column = frame[check.column]
    if check.sort == "unique":
        return column.duplicated(keep=False).to_numpy()
    if check.sort == "finding":
        return (column.notna() & (column != OK)).to_numpy()
    low = column < contract.bounds[check.low] if check.low else False
    return np.asarray(low | (column > contract.bounds[check.high] if check.high else False))


def result_of(check: Check, contract: Contract, measured: Measured, seen: Verdict) -> CheckResult:
    """A verdict with its wording and examples."""
    rows = np.flatnonzero(failing(check, contract, measured.frame))[:EXAMPLES]
    return CheckResult(
        name=check.name,
        expectation=seen.expectation,
        severity=check.severity,
        says=contract.says(check),
        success=seen.success,
        observed=_observed(check, contract, measured.frame, seen),
        unexpected_count=seen.unexpected,
        applies_to=seen.total,
        allowed=check.allowed,
        examples=tuple(one[:LONGEST] for one in measured.frame["id"].iloc[rows]),
    )


def _observed(check: Check, contract: Contract, frame: pd.DataFrame, seen: Verdict) -> str:
    if check.sort == "records":
        return f"{len(frame):,} records"
    if check.sort == "drift":
        pairs = zip(seen.values["quantiles"], seen.values["values"], strict=True)
        return "quantiles " + ", ".join(f"{100 * q:g} %: {value:g}" for q, value in pairs)
    share = f"{seen.unexpected:,} of {seen.total:,}" if seen.unexpected else f"none of {seen.total:,}"
    column = frame[check.column]
    if check.sort == "between":
        return f"{column.min():,.4g} to {column.max():,.4g}" + (f"; outside: {share}" if seen.unexpected else "")
    if seen.unexpected:
        share += f" ({_percent(seen.unexpected / seen.total)})"
    if check.sort == "finding":
        counts = column[failing(check, contract, frame)].value_counts()
        named = [f"{label}: {count:,}" for label, count in counts.items() if count]
        return share + (f"; {', '.join(named)}" if len(named) > 1 else f": {counts.index[0]}" if named else "")
    return share


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share >= 0.0001 else "under 0.01 %"


def quarantine_table(contract: Contract, measured: Measured, results: Sequence[CheckResult]) -> pa.Table:
    """A row for each record and check that it fails, of the checks that did not hold, in the manifest's order."""
    by_name = {check.name: check for check in contract.checks}
    parts = []
    for result in results:
        if not result.unexpected_count or result.success is not False:  # drift is of no record
            continue
        check = by_name[result.name]
        failed = measured.frame[failing(check, contract, measured.frame)]
        part = failed[["file", "line", "id"]].assign(code=result.name, row=failed.index)
        parts.append(part.assign(reason=_reasons(check, contract, failed, measured.likeness)))
    if not parts:
        return QUARANTINE_SCHEMA.empty_table()
    whole = pd.concat(parts).sort_values("row", kind="stable")
    return pa.Table.from_pandas(whole[QUARANTINE_SCHEMA.names], QUARANTINE_SCHEMA, preserve_index=False)


def _reasons(
    check: Check, contract: Contract, failed: pd.DataFrame, likeness: Mapping[str, Likeness]
) -> list[str]:
    """A short sentence for each record, with what it resembles or the bound that it breaks."""
    if check.sort == "unique":
        return ["the id stands in several records"] * len(failed)
    column = failed[check.column]
    if check.sort == "between":
        low, high = (contract.bounds[name] if name else None for name in (check.low, check.high))
        bound = " and ".join(
            f"{word} {b:g}" for word, b in (("at least", low), ("at most", high)) if b is not None
        )
        return [f"{check.column} is {value:g}, expected {bound}" for value in column]
    like = likeness.get(check.column)
    if like is None:
        return [str(value) for value in column]
    names = pd.Series(like.names, dtype=object)
    assert (like.place[failed.index] != NOTHING).all()
    return [f"{label}: {names[at]}" for label, at in zip(column, like.place[failed.index], strict=True)]


def figures_of(measured: Measured, results: Sequence[CheckResult]) -> dict[str, float]:
    """Counts, shares and quantiles under flat names."""
    figures = dict(measured.figures)
    for result in results:
        if result.success is not None and result.applies_to:
            figures[f"failing.{result.name}"] = float(result.unexpected_count)
            figures[f"share.{result.name}"] = result.unexpected_count / result.applies_to
    for column in ("text_length", "answer_words", "short_side", "aspect", "duration"):
        values = measured.frame[column].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        if len(values):
            for share, value in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True):
                figures[f"{column}.p{100 * share:g}"] = float(value)
    verdicts = [result.verdict for result in results]
    return figures | {
        f"checks.{name}": float(verdicts.count(name)) for name in ("passed", "failed", "warned", "skipped")
    }
