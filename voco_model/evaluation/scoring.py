"""Answers to figures: what `voco score` prints and what an evaluation of a model ends with."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from voco_model.errors import VocoError
from voco_model.evaluation.answers import Matched, matched, read_answers
from voco_model.evaluation.benchmark import Answers, Benchmark
from voco_model.evaluation.items import Figures, Item, Shares
from voco_model.evaluation.questions import Question
from voco_model.evaluation.statistics import Interval, interval


@dataclass(frozen=True)
class Result:
    """A benchmark's figures for one set of answers."""

    benchmark: Benchmark
    items: list[Item]
    figures: Figures
    """By name: all that the official scorer prints, on its scale, and how many questions there are."""
    remarks: list[str] = field(default_factory=list)

    @property
    def headline(self) -> float:
        """The figure that the paper's tables show, on their scale."""
        return self.figures[self.benchmark.headline] * self.benchmark.headline_scale

    def shares(self) -> Shares:
        """For intervals and comparisons."""
        return self.benchmark.shares(self.items)

    def parts(self) -> dict[str, Shares]:
        """The same of what else the tables show."""
        return self.benchmark.parts(self.items)

    def intervals(self) -> dict[str, Interval]:
        """Every figure's, but for those that are counts and those of which nothing was scored."""
        measured = self.benchmark.measured(self.items).items()
        found = {name: interval(shares) for name, shares in measured if shares.clusters}
        return {name: replace(bounds, value=self.figures[name]) for name, bounds in found.items()}


def scored(benchmark: Benchmark, questions: Sequence[Question], answers: Answers) -> Result:
    """Score one answer, or None, for each question."""
    unknown = next((q for q in questions if q.truth is None), None)
    if unknown is not None:
        raise VocoError(
            f"{benchmark.title}: question {unknown.id} has no answer to score against; give the file with the "
            "answers (--truth), or send the predictions to the benchmark's server"
        )
    items = benchmark.score_all(questions, answers)
    counts = [item for item in items if item.question.counts]
    if not counts:
        raise VocoError(f"{benchmark.title}: none of these questions is scored; give the official question file")
    missing = sum(item.answer is None for item in counts)
    figures = {**benchmark.figures(items), "questions": float(len(counts)), "missing": float(missing)}
    return Result(benchmark, items, figures, benchmark.remarks())


@contextmanager
def _uncollected() -> Iterator[None]:
    """Millions of small objects, none of them garbage: looking for it would take a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def score_files(benchmark: Benchmark, questions: Path, answers: Path, truth: Path | None = None) -> Result:
    """Score an answer file against the official questions."""
    with _uncollected():
        asked = benchmark.load(questions, truth)
        told: Matched = matched(asked, read_answers(answers, benchmark), benchmark, answers)
        result = scored(benchmark, asked, told.answers)
    figures = {**result.figures, "duplicates": float(len(told.duplicates)), "unknown": float(len(told.unknown))}
    return Result(benchmark, result.items, figures, [*result.remarks, *told.remarks()])
