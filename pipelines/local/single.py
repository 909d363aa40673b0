"""One task alone, on what the last run left."""

import os
import sys
from pathlib import Path

from components.stepping.perform import Assignment, perform
from pipelines.local.home import Home, new_run_id
from pipelines.local.summary import last_summary
from pipelines.profiles import Profile
from pipelines.tasks import READS, STEPS, WRITES, check_task
from voco_model.errors import VocoError

ALONE = tuple(task for task in READS if task not in ("look", "notify", "evaluate", "summarise", "audit"))
"""Tasks that read one folder for each input; those that gather several run with `--from`."""


def run_alone(task: str, profile: Profile, home: Home) -> int:
    """Do it in this process; its outputs lie in the run's own folder, and no later task takes them."""
    check_task(task)
    if task not in ALONE:
        raise VocoError(f"{task} gathers what others made; run it with --from {task}")
    before = last_summary(home)
    if before is None and READS[task]:
        raise VocoError(f"{home.root}: no run yet whose results {task} could read; run `voco run` first")
    inputs = {name: _found(source, before or {}, task) for name, source in READS[task].items()}
    run_id = new_run_id()
    folder = home.run(run_id)
    os.environ.update(home.environment(run_id))
    os.environ.pop("VOCO_SPOOL")
    outputs = {WRITES[task]: folder / WRITES[task]} if task in WRITES else {}
    settings = profile.settings(task)
    done = perform(Assignment(STEPS[task], task, settings, inputs, outputs, folder / "record.json"))
    for name, value in {**done.figures, **done.values}.items():
        print(f"  {name:<32}{value}", file=sys.stderr)
    for path in outputs.values():
        print(path)
    return 0


def _found(source: str, before: dict, task: str) -> Path:
    other, name = source.split(".")
    path = before["outputs"].get(other, {}).get(name)
    if path is None or not Path(path).exists():
        raise VocoError(f"{task} reads {name} of {other}, which the last run did not leave; run --from {other}")
    return Path(path)
