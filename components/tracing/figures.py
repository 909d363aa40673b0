"""Two models' figures on the questions that both answered, each difference with its interval."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.promoting.evidence import BENCHMARKS, ITEMS, TABLES, Evidence, Figure, paired
from components.tracing.diffing import made_by
from components.tracing.subjects import Subject
from voco_model.errors import VocoError
from voco_model.evaluation.items import Shares
from voco_model.evaluation.outcome import LOWER, RESULT, SHARES, UPPER, VOCO, read_outcome
from voco_model.evaluation.statistics import Comparison, Interval, compare, retention_difference

PARTS = (ITEMS, RESULT, SHARES)
"""Of a benchmark, what is compared."""


@dataclass(frozen=True)
class Retained:
    """Retention over all benchmarks at a number of tokens."""

    n_voco: int
    before: Figure | None
    after: Figure | None
    difference: Interval | None
    """The second less the first, on the same draws of pictures."""
    why: str = ""
    """Where there is no difference."""


@dataclass(frozen=True)
class OnBenchmark:
    """The second model seen from the first."""

    benchmark: str
    n_voco: int
    told: Comparison | None
    """None where there are no questions that both answered."""
    why: str = ""


@dataclass(frozen=True)
class Figures:
    """All that was compared."""

    retention: tuple[Retained, ...]
    benchmarks: tuple[OnBenchmark, ...]


def compare_figures(first: Subject, second: Subject, work: Path) -> Figures:
    """By the tables of both runs. work: for what is fetched."""
    before, after = (_evidence(subject, work / side) for subject, side in ((first, "first"), (second, "second")))
    numbers = sorted({*before.token_numbers(), *after.token_numbers()})
    retained = tuple(
        Retained(n, before.retention(n), after.retention(n), *_difference(before, after, n)) for n in numbers
    )
    return Figures(retained, tuple(_benchmarks(before, after, numbers)))


def _evidence(subject: Subject, work: Path) -> Evidence:
    """What `summarise` made, without its pages."""
    made = made_by(subject, "summarise", "tables")
    names = [one["relpath"] for one in made.files()]
    wanted = [
        name for name in names if name == TABLES or (name.startswith(f"{BENCHMARKS}/") and name.endswith(PARTS))
    ]
    return Evidence(made.bring_files(wanted, work), work / "none")


def _difference(before: Evidence, after: Evidence, n_voco: int) -> tuple[Interval | None, str]:
    """By the parts of every headline that retention is of; a mean over other benchmarks is another figure."""
    try:
        theirs, ours = (dict(_parts(one, n_voco)) for one in (before, after))
        if set(theirs) != set(ours):
            return None, f"one is of {', '.join(theirs) or 'none'}, the other of {', '.join(ours) or 'none'}"
        if not ours:
            return None, "no benchmark was read between both bounds"
        return retention_difference([*ours.values()], [*theirs.values()]), ""
    except VocoError as error:
        return None, str(error)


def _parts(evidence: Evidence, n_voco: int) -> Iterator[tuple[str, tuple[Shares, Shares, Shares]]]:
    """Of benchmarks that have a retention: result, lower and upper bound."""
    for name in evidence.benchmarks():
        outcome = read_outcome(evidence.tables / BENCHMARKS / name)
        row, lower, upper = outcome.row(VOCO, n_voco), outcome.row(LOWER), outcome.row(UPPER)
        if row and lower and upper and upper.headline.value > lower.headline.value:
            yield name, (row.shares, lower.shares, upper.shares)


def _benchmarks(before: Evidence, after: Evidence, numbers: list[int]) -> Iterator[OnBenchmark]:
    for name in sorted({*before.benchmarks(), *after.benchmarks()}):
        for n in numbers:
            theirs, ours = before.items(name, n), after.items(name, n)
            both = paired(ours, theirs)
            if both is not None:
                yield OnBenchmark(
                    name, n, compare(*both), _answered(len(both[0].clusters), len(ours), len(theirs))
                )
            elif ours or theirs:
                why = "only the second answered" if not theirs else "only the first answered"
                yield OnBenchmark(name, n, None, "different questions" if ours and theirs else why)


def _answered(common: int, ours: int, theirs: int) -> str:
    """What a reader should know where the two were not asked the same."""
    same = common == ours == theirs
    return "" if same else f"of {theirs} and {ours} questions, {common} are the same"
