"""Doing a step's work: digests before and after, the record, its copies, and what MLflow is told."""

import importlib
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.attesting.envelope import signed
from components.attesting.keys import KEY_FILE, Signer, signer_here
from components.attesting.statement import statement_of
from components.dvc_keeping import keep
from components.stepping.code import code_changes
from components.stepping.digests import Content, canonical, content_of, text_digest
from components.stepping.events import say
from components.stepping.job import Done, Job
from components.stepping.openlineage import told_of
from components.stepping.places import voco_work
from components.stepping.record import Carried, Record, config_digest, environment, packages
from components.tracking import Sink, sink_for
from components.tracking.surroundings import Watch, surroundings
from voco_model.errors import VocoError

NO_RUN = "by-hand"
Tell = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Assignment:
    """Which step is to be done, with what, to where."""

    step: str
    """The module of `components/`."""
    task: str
    """Its section in the parameters; a step may be in the graph twice."""
    settings: Mapping[str, Any]
    inputs: Mapping[str, Path]
    outputs: Mapping[str, Path]
    record: Path | None = None
    """Where the record goes."""
    label: str | None = None
    """What a run's page calls it, where one task is done several times."""


def perform(given: Assignment, also: Tell | None = None) -> Done:
    """Do it, and write its record, signed; an error leaves none. `also` takes the figures that come on the way."""
    # As JSON has them: a record that is read again must have the digest that it was written with, and YAML's
    # numbers as keys would come back as texts, in another order.
    given = replace(given, settings=json.loads(canonical(dict(given.settings))))
    label = given.label or given.task
    with sink_for(label) as sink, told_of(label) as lineage:
        say(label, "started")
        started, clock = datetime.now(UTC), time.perf_counter()
        signer = signer_here() if given.record is not None else None  # a wrong key is known before the work
        inputs = {name: content_of(path) for name, path in given.inputs.items()}
        lineage.started(inputs)
        sink.start(_parameters(given), {"voco.task": given.task, "voco.step": given.step} | surroundings())
        sink.inputs({name: one.sha256 for name, one in inputs.items()})
        work = _work_folder(given, inputs)
        with Watch(sink.figures):
            done = _do(given, work, sink, also)
        outputs = {name: content_of(path) for name, path in given.outputs.items()}
        lineage.made(outputs)
        record = _record(given, done, inputs, outputs, started, time.perf_counter() - clock)
        if given.record is not None:
            _attested(record, signer).write(given.record)
        _tell(sink, given, record, done, work)
        paths = {name: str(path.absolute()) for name, path in given.outputs.items()}
        say(label, "ended", seconds=record.seconds, outputs=paths, values=dict(done.values))
    return done


def _do(given: Assignment, work: Path, sink: Sink, also: Tell | None) -> Done:
    function = getattr(importlib.import_module(f"components.{given.step}"), "step", None)
    if function is None:
        raise VocoError(f"{given.step}: no step of that name")
    for path in given.outputs.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)

    def tell(step: int, figures: Mapping[str, float]) -> None:
        sink.figures(step, figures)
        if also is not None:
            also(step, figures)
        say(given.label or given.task, "figures", step=step, figures=dict(figures))

    with _removed_on_failure([path for path in given.outputs.values() if not path.exists()]):
        done: Done = function(Job(given.task, given.settings, given.inputs, given.outputs, work, tell))
        for name, path in given.outputs.items():
            if not path.exists():
                raise VocoError(f"{given.task}: output {name} was not written to {path}")
    return done


@contextmanager
def _removed_on_failure(outputs: Iterable[Path]) -> Iterator[None]:
    """What a failing step wrote in part is taken away again, so that the next try finds nothing in its way."""
    try:
        yield
    except BaseException:
        for path in outputs:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def _work_folder(given: Assignment, inputs: Mapping[str, Content]) -> Path:
    """The same for every try of the same work, so that training goes on from its checkpoint."""
    what = {"config": dict(given.settings), "inputs": {name: one.sha256 for name, one in inputs.items()}}
    what["code"] = environment()["code"].sha256
    return voco_work() / given.task / text_digest(what)[:16]


def _record(
    given: Assignment,
    done: Done,
    inputs: Mapping[str, Content],
    outputs: Mapping[str, Content],
    started: datetime,
    seconds: float,
) -> Record:
    seed = given.settings.get("seed")
    return Record(
        run=os.environ.get("VOCO_RUN") or NO_RUN,
        task=given.label or given.task,
        step=given.step,
        started=started.isoformat(timespec="milliseconds"),
        seconds=round(seconds, 3),
        config=given.settings,
        config_sha256=config_digest(given.settings),
        seed=seed if isinstance(seed, int) else None,
        inputs=inputs,
        outputs=outputs,
        figures={name: value for name, value in done.figures.items() if math.isfinite(value)},
        values=dict(done.values),
        kept=_kept(given),
        **environment(),
    )


def _attested(record: Record, signer: Signer | None) -> Carried:
    """The record with its attestation, where somebody can sign; an audit says of one that lacks it: unknown."""
    if signer is None or not record.outputs:  # an attestation is about something
        why = f"no key here; give one by {KEY_FILE}" if record.outputs else "it made nothing"
        print(f"{record.task}: not signed: {why}", flush=True)
        return Carried(record, None, packages())
    return Carried(record, signed(statement_of(record), signer), packages())


def _kept(given: Assignment) -> dict[str, str]:
    """Every output under its digest in the remote, where there is one."""
    remote = os.environ.get("VOCO_DVC_REMOTE")
    return {name: keep(path, remote) for name, path in given.outputs.items()} if remote else {}


def _parameters(given: Assignment) -> dict[str, str]:
    """The section, a parameter for each key; MLflow takes texts."""
    return {f"{given.task}.{key}": str(value)[:500] for key, value in _flat(given.settings).items()}


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _tell(sink: Sink, given: Assignment, record: Record, done: Done, work: Path) -> None:
    """The last figures, digests, the record, the pages that a person reads, and what no commit has of the code."""
    sink.figures(0, {"seconds": record.seconds} | dict(done.figures))
    tags = {"voco.record_sha256": record.sha256, "voco.packages_sha256": record.packages_sha256}
    tags |= {f"output.{name}": one.sha256 for name, one in record.outputs.items()}
    sink.tags(tags | {f"output.{name}.kept": place for name, place in record.kept.items()})
    files = [*([given.record] if given.record else []), *done.reports]
    if record.code.dirty:
        changes = work / "code.diff"
        changes.write_text(code_changes(), "utf-8")
        files.append(changes)
    sink.files([path for path in files if path.is_file()])


def refuse(error: VocoError) -> None:
    """One line, as on the command line, and a failure."""
    print(f"voco: error: {error}", file=sys.stderr, flush=True)
    raise SystemExit(1)
