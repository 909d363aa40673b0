"""Evaluate: one benchmark, read by each number of VoCo tokens and between the bounds."""

from pathlib import Path
from typing import Any

from components.stepping.job import Done, Job
from voco_model.errors import VocoError

KEYS = {"benchmark", "benchmarks", "n_voco", "limit", "batch", "max_new_tokens", "frames"}
ASKING = ("batch", "max_new_tokens", "frames")
BENCHMARKS = "benchmarks"


def step(job: Job) -> Done:
    """As a pipeline runs it: `data`, `model` and `upper` in, `results` out."""
    from voco_model.evaluation.answering import Asking
    from voco_model.evaluation.evaluating import Evaluation, evaluate_model

    job.check_settings(KEYS)
    name = job.setting("benchmark")
    if not name:
        raise VocoError(f"{job.task}: benchmark is missing; say which, such as gqa")
    config = Evaluation(
        benchmark=str(name),
        model=job.input("model"),
        data=job.input("data") / BENCHMARKS,
        out=job.outputs["results"],
        n_voco=_numbers(job),
        upper=job.inputs.get("upper"),
        limit=job.setting("limit"),
        asking=Asking(**{key: job.settings[key] for key in ASKING if key in job.settings}),
        kept=_kept(job.work),
    )
    outcome = evaluate_model(config, _share(job))
    return Done(outcome.flat())


def _numbers(job: Job) -> tuple[int, ...]:
    given: Any = job.setting("n_voco", [])
    return (given,) if isinstance(given, int) else tuple(given)


def _kept(work: Path) -> Path:
    return work / "answers"


def _share(job: Job) -> Any:
    """How much is done, told now and then."""
    told = -1

    def tell(done: int, total: int) -> None:
        nonlocal told
        twentieths = 20 * done // total if total else 20
        if twentieths > told:
            told = twentieths
            job.tell(done, {"share": done / total if total else 1.0})

    return tell
