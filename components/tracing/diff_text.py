"""A comparison of two versions for a person: what changed, and what came of it."""

from collections.abc import Iterator, Sequence

from components.ingesting.increments import Changes
from components.tracing.diffing import ABSENT, CodeDiff, DataDiff, Diff
from components.tracing.figures import Figures, OnBenchmark, Retained
from voco_model.evaluation.statistics import BETTER, UNDECIDED, WORSE

FIRST = 3
"""Ids that are shown of many."""


def text(diff: Diff, figures: Figures, heading: str) -> str:
    """A section for each part, and one line at the end."""
    parts = (
        ("data", list(_data(diff.data))),
        ("settings", [_change(*one) for one in diff.settings] or ["the same"]),
        ("code", [line for one in diff.code for line in _code(one)] or ["the same files"]),
        ("packages", list(_packages(diff))),
        ("figures", list(_figures(figures))),
    )
    lines = [heading]
    for name, own in parts:
        lines += ["", name, *(f"  {line}" for line in own)]
    return "\n".join([*lines, "", in_one_line(diff, figures)])


def in_one_line(diff: Diff, figures: Figures) -> str:
    """What changed, and what came of it."""
    changed = [
        *([] if diff.data.same else [f"data ({_records(diff.data)})"]),
        *([f"settings ({_some([name for name, *_ in diff.settings])})"] if diff.settings else []),
        *(["code"] if diff.code else []),
        *([f"packages ({_some([name for name, *_ in diff.packages]) or 'not listed'})"] if _other(diff) else []),
    ]
    what = f"Changed: {', '.join(changed)}." if changed else "Nothing changed that is recorded."
    verdicts = [one.told.verdict for one in figures.benchmarks if one.told]
    counts = [f"{name} in {verdicts.count(name)}" for name in (BETTER, WORSE, UNDECIDED) if name in verdicts]
    if not counts:
        return f"{what} No figures can be compared."
    return f"{what} The second is {', '.join(counts)} of {len(verdicts)} comparisons."


def _other(diff: Diff) -> bool:
    return bool(diff.packages or diff.unlisted)


def _data(data: DataDiff) -> Iterator[str]:
    if data.same:
        yield "the same, to the last byte"
    for name, changes in data.sets.items():
        yield f"{name}: {_counts(changes)}"
        for what in ("added", "removed", "changed"):
            if ids := getattr(changes, what):
                yield f"  {what}: {_some(ids)}"
    for name in data.benchmarks:
        yield f"benchmark {name}: other files, so figures on it may be of other questions"
    if not data.same and not data.sets and not data.benchmarks:
        yield "the same records, packed otherwise"


def _counts(changes: Changes) -> str:
    counts = [f"{len(ids)} {what}" for what in ("added", "removed", "changed") if (ids := getattr(changes, what))]
    return ", ".join(counts) or "the same records, told otherwise"


def _records(data: DataDiff) -> str:
    """Of all sets."""
    found = [f"{name}: {_counts(changes)}" for name, changes in data.sets.items()]
    return "; ".join([*found, *(f"benchmark {name}" for name in data.benchmarks)]) or "packed otherwise"


def _change(name: str, before: str, after: str) -> str:
    return f"{name}: {before} -> {after}"


def _code(one: CodeDiff) -> Iterator[str]:
    yield f"{one.before} -> {one.after} ({_some(one.tasks)})"
    if one.stat is None:
        yield "  what differs is not known here: fetch both commits with git"
    yield from (f"  {line.strip()}" for line in (one.stat or "").splitlines())


def _packages(diff: Diff) -> Iterator[str]:
    if not _other(diff):
        yield "the same"
    for name, before, after in diff.packages:
        yield f"+ {name} {after}" if before == ABSENT else _change(name, before, after)
    for digest in diff.unlisted:
        yield f"no list was kept of packages {digest[:12]}"


def _figures(figures: Figures) -> Iterator[str]:
    for one in figures.retention:
        both = f"{one.before or 'not measured'} -> {one.after or 'not measured'}"
        yield f"retention at N = {one.n_voco}: {both}; {_by(one)}"
    for found in figures.benchmarks:
        yield f"{found.benchmark} at N = {found.n_voco}: {_told(found)}"
    if not figures.retention and not figures.benchmarks:
        yield "none were kept"


def _by(one: Retained) -> str:
    if (d := one.difference) is None:
        return f"the difference is not known: {one.why}"
    return f"{d.value:+.1f} [{d.low:+.1f}, {d.high:+.1f}] on the same draws"


def _told(found: OnBenchmark) -> str:
    if found.told is None:
        return f"not compared: {found.why}"
    return f"{found.told}{f' ({found.why})' if found.why else ''}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:FIRST]) + (f" and {len(names) - FIRST} more" if len(names) > FIRST else "")
