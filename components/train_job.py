"""A training step on several nodes: a TrainJob of Kubeflow Trainer, watched from here as if it ran here."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from components.tracking import Stream
from components.train_jobs.api import Kubernetes
from components.train_jobs.manifest import RECIPE, job_name, train_job
from components.train_jobs.nodes import NodeResources, node_resources
from components.train_jobs.staging import staged
from components.train_jobs.watching import Ended, how_ended, to_stderr, watch
from components.training import TrainConfig, TrainOutcome, followed
from voco_model.errors import VocoError
from voco_model.files import whole_file
from voco_model.training.folder import LOG, RunFolder, recipe_digest
from voco_model.training.preemption import PREEMPTED, Preemption
from voco_model.training.recipe import Recipe
from voco_model.training.recipe_keys import as_yaml

__all__ = ["NodeResources", "node_resources", "run_train_job"]

TRIES = 20
"""Times that a job whose nodes were taken away is begun again from its last checkpoint."""
GONE_WITHIN = 600.0
"""Seconds for a deleted job's pods to save and end; the runtime's grace period is 300."""
NO_RUN = "by-hand"


def run_train_job(config: TrainConfig, nodes: NodeResources, stream: Stream | None = None) -> TrainOutcome:
    """Train as `run_stage` does, on other machines; the same call again goes on with what is there.

    Data and weights that the nodes do not see are copied to the shared volume first. Figures come from the log
    that the first rank writes there, so that they reach MLflow once. Where this process is told to stop, the job
    is ended too, and saves a checkpoint.
    """
    recipe = staged(config.recipe, Path(nodes.work))
    folder = RunFolder(recipe)
    folder.check(config.resume)
    if folder.result() is None:
        code = _train(recipe, folder, nodes, stream)
        if code:
            return TrainOutcome(code, None)
    result = folder.result()
    if result is None:
        raise VocoError(
            f"{folder.path}: the TrainJob is complete, but no result is there; is {nodes.work} shared?"
        )
    return TrainOutcome(0, result)


def _train(recipe: Recipe, folder: RunFolder, nodes: NodeResources, stream: Stream | None) -> int:
    """The exit status of the last try."""
    run = os.environ.get("VOCO_RUN") or NO_RUN
    manifest = train_job(recipe, _written(recipe), run, nodes)
    kubernetes, name = Kubernetes(), job_name(recipe, run)
    with followed(folder.path / LOG, stream) if stream else nullcontext(), _ended_with_us(kubernetes, name):
        for attempt in range(TRIES):
            _begin(kubernetes, name, manifest, recipe)
            ended = watch(kubernetes, name)
            to_stderr(f"{name}: {ended.reason}")
            if ended.code != PREEMPTED:
                break
            to_stderr(f"{name}: begun again from its last checkpoint ({attempt + 1} of {TRIES})")
    if ended.code not in (0, PREEMPTED):
        to_stderr(f"{name}: failed; its pods' logs stand above, `kubectl describe trainjob {name}` says more")
    else:
        kubernetes.delete(name)
    return ended.code


def _written(recipe: Recipe) -> Path:
    """The recipe where the nodes read it, beside the run's folder."""
    path = recipe.out.parent / f"{recipe.out.name}.recipe.yaml"
    with whole_file(path) as file:
        file.write_text(as_yaml(recipe), encoding="utf-8")
    return path


def _begin(kubernetes: Kubernetes, name: str, manifest: dict[str, object], recipe: Recipe) -> None:
    """Create it. One that is there is gone on with, if it still runs and is of this recipe; else it goes first."""
    if kubernetes.create(manifest):
        return
    found = kubernetes.get(name)
    if found is not None:
        theirs = (found["metadata"].get("annotations") or {}).get(RECIPE)
        if theirs != recipe_digest(recipe):
            raise VocoError(
                f"{name}: a TrainJob of that name trains another recipe; wait, or `kubectl delete trainjob {name}`"
            )
        ended: Ended | None = how_ended(found, kubernetes.pods(name))
        if "deletionTimestamp" not in found["metadata"] and (ended is None or ended.code == 0):
            return
        kubernetes.delete(name)
        _wait_until_gone(kubernetes, name)
    if not kubernetes.create(manifest):
        raise VocoError(f"{name}: somebody else just created it; two steps of one run must not train the same")


def _wait_until_gone(kubernetes: Kubernetes, name: str) -> None:
    until = time.monotonic() + GONE_WITHIN
    while kubernetes.get(name) is not None:
        if time.monotonic() > until:
            raise VocoError(
                f"{name}: is being deleted since {GONE_WITHIN:g} s; `kubectl describe trainjob {name}`"
            )
        time.sleep(1.0)


@contextmanager
def _ended_with_us(kubernetes: Kubernetes, name: str) -> Iterator[None]:
    """A step that is stopped takes its job with it; one that merely lost sight of it does not."""
    with Preemption().watching():
        try:
            yield
        except (SystemExit, KeyboardInterrupt):
            kubernetes.delete(name)
            to_stderr(f"{name}: ended with this step, after a checkpoint")
            raise
