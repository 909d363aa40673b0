"""Steps of a lineage done once more from what they read then, and what comes out held to what came out then."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from components.auditing.lineage import Entry, Lineage
from components.stepping.code import ROOT
from components.stepping.record import Record, packages
from components.tracing.checkout import checked_out
from components.tracing.diffing import package_changes
from components.tracing.fetching import Made, outputs
from components.tracing.likeness import difference
from components.tracing.rerun import rerun
from voco_model.errors import VocoError

IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "different"
NOT_DONE, LEFT_OUT = "could not be done", "left out"
FIRST = 5
"""Packages that are named of many."""
NEVER = {
    "promote": "it decides by what the registry held then; `voco audit` checks what it wrote",
    "profile": "it measures time, which is never the same twice; `voco profile` measures anew",
}
"""Steps that are not done again, and why."""
DATED = {"validate": ("data_docs",)}
"""Folders whose pages say when they were made, which are not compared."""
OUTSIDE = {"ingest": "it reads its sources as they are now, which may have changed since"}


@dataclass(frozen=True)
class Outcome:
    """One step, done again."""

    task: str
    verdict: str
    notes: tuple[str, ...] = ()
    """The first difference, in what surroundings; or why it could not be done."""


@dataclass(frozen=True)
class Terms:
    """How steps are done again."""

    tolerance: float
    """Of values, where the surroundings are not the same."""
    here: bool = False
    """With the code as it is here, not that of the recorded commit."""


def reproduce(entry: Entry, lineage: Lineage, terms: Terms) -> Outcome:
    """Do one step again; nothing of it is kept. An error says why it could not be done."""
    record = entry.record
    if record.step in NEVER:
        raise VocoError(f"{record.task}: is not done again: {NEVER[record.step]}")
    with tempfile.TemporaryDirectory(prefix="voco-again-") as folder, _code(record, terms.here) as code:
        work = Path(folder)
        inputs = {name: made.bring(work / "in" / name) for name, made in _inputs(record, lineage).items()}
        again = rerun(record, inputs, code, work)
        if record.code.sha256 != again.record.code.sha256 and not terms.here:
            raise VocoError(f"{record.task}: other code ran than that of its commit; is another one installed?")
        unlike = surroundings(record, again.record, lineage.packages.get(record.packages_sha256))
        why, within = _held(entry, again.record, again.outputs, work / "recorded", terms.tolerance)
    dated = [f"{name} says when it was made and is left out" for name in DATED.get(record.step, ())]
    if not why:
        return Outcome(record.task, IDENTICAL, (*unlike, *dated))
    verdict = WITHIN if within and unlike else DIFFERENT
    more = () if unlike else ("code, packages, threads are the same, so every bit should be",)
    outside = (OUTSIDE[record.step],) if record.step in OUTSIDE else ()
    return Outcome(record.task, verdict, (*why, *unlike, *dated, *outside, *more))


def reproduce_all(lineage: Lineage, terms: Terms) -> Iterator[Outcome]:
    """Every step in its order, each from what it read then: one that fails or differs spoils no other."""
    for entry in in_order(lineage):
        task = entry.record.task
        if entry.record.step in NEVER:
            yield Outcome(task, LEFT_OUT, (NEVER[entry.record.step],))
            continue
        try:
            yield reproduce(entry, lineage, terms)
        except VocoError as error:
            yield Outcome(task, NOT_DONE, (str(error),))


def in_order(lineage: Lineage) -> list[Entry]:
    """Those that made something before those that read it."""
    entries = {entry.record.task: entry for entry in lineage.entries}
    made = {c.sha256: task for task, entry in entries.items() for c in entry.record.outputs.values()}
    reads = {
        task: [made[c.sha256] for c in entry.record.inputs.values() if made.get(c.sha256, task) != task]
        for task, entry in entries.items()
    }
    return [entries[task] for task in TopologicalSorter(reads).static_order()]


def surroundings(then: Record, now: Record, listed: str | None = None) -> list[str]:
    """What is not as it was; where all is, every bit of a step's output should be.

    listed: the packages of then, where a list of them was kept.
    """
    found = []
    if then.code.sha256 != now.code.sha256:
        found.append(f"other code: {then.code.sha256[:12]} then, {now.code.sha256[:12]} now")
    if then.packages_sha256 != now.packages_sha256:
        found.append(f"other packages: {_other_packages(listed)}")
    if then.python != now.python:
        found.append(f"another Python: {then.python} then, {now.python} now")
    if then.threads is None:
        found.append("the number of threads was not recorded")
    elif then.threads != now.threads:
        found.append(f"another number of threads: {then.threads} then, {now.threads} now")
    return found + (["on a GPU, whose sums come in any order"] if _on_gpu() else [])


def _other_packages(listed: str | None) -> str:
    if listed is None:
        return "no list was kept of those of then"
    changed = [f"{name} {then} -> {now}" for name, then, now in package_changes(listed, packages())]
    more = f" and {len(changed) - FIRST} more" if len(changed) > FIRST else ""
    return ", ".join(changed[:FIRST]) + more


def _on_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@contextmanager
def _code(record: Record, here: bool) -> Iterator[Path]:
    if here:
        yield ROOT
        return
    with checked_out(record.code, record.task) as code:
        yield code


def _inputs(record: Record, lineage: Lineage) -> dict[str, Made]:
    """Every input as the output that it was."""
    made = {one.content.sha256: one for entry in lineage.entries for one in outputs(entry)}
    for name, content in record.inputs.items():
        if content.sha256 not in made:
            raise VocoError(
                f"{record.task}: input {name} ({content.sha256[:12]}) was made by no step of this lineage; "
                "reproduce a version whose whole run is recorded"
            )
    return {name: made[content.sha256] for name, content in record.inputs.items()}


def _held(
    entry: Entry, now: Record, paths: Mapping[str, Path], folder: Path, tolerance: float
) -> tuple[list[str], bool]:
    """The first output that differs, in words; and whether all are within the tolerance."""
    first: list[str] = []
    within = True
    for made in outputs(entry):
        name = made.name.rpartition(".")[2]
        if now.outputs[name].sha256 == made.content.sha256:
            continue
        try:
            found = difference(made.bring(folder / name), paths[name], tolerance, DATED.get(now.step, ()))
        except VocoError as error:
            first, within = first or [f"output {name} differs; what it was is lost: {error}"], False
            continue
        if found is None:  # only what is left out differs
            continue
        where = f"{name}/{found.file}" if found.file else name
        first, within = first or [f"first in {where}: {found.what}"], within and found.within
    return first, within
