"""From a component's arguments to a step's work and back; runs inside the step's own process or container."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.stepping.digests import text_digest
from components.stepping.job import Done
from components.stepping.leaving import leaves_at_once
from components.stepping.perform import Assignment, perform, refuse
from voco_model.errors import VocoError


def run(
    step: str,
    config: str,
    *,
    task: str | None = None,
    label: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    metrics: Any = None,
    page: Any = None,
    record: Any = None,
    extra: Mapping[str, Any] | None = None,
) -> Done:
    """Do a step on KFP's artifacts.

    config: the step's section as JSON; a text, since KFP would make every number in a mapping a float.
    extra: settings that come from other tasks.
    page: the artifact that shows the step's first report on KFP's page.
    """
    assignment = Assignment(
        step=step,
        task=task or step,
        label=label,
        settings=json.loads(config) | dict(extra or {}),
        inputs={name: Path(one.path) for name, one in (inputs or {}).items()},
        outputs={name: Path(one.path) for name, one in (outputs or {}).items()},
        record=Path(record.path) if record is not None else None,
    )
    with leaves_at_once():
        try:
            done = perform(assignment)
        except VocoError as error:
            refuse(error)
            raise
        if metrics is not None:
            _log(metrics, done)
        if page is not None:
            _show(page, done)
    return done


def training_digest(training: str) -> dict[str, str]:
    """The setting that says how a model was trained. training: the training tasks' sections, as a JSON array."""
    return {"config_sha256": text_digest(json.loads(training))}


def _log(metrics: Any, done: Done) -> None:
    for name, value in done.figures.items():
        metrics.log_metric(name, float(value))
    # KFP's local cache takes an output without a file for one that was lost, and does the task again.
    Path(metrics.path).write_text(json.dumps(dict(done.figures)) + "\n", "utf-8")


def _show(page: Any, done: Done) -> None:
    path = Path(page.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if done.reports:
        shutil.copyfile(done.reports[0], path)
    else:
        path.write_text("")
