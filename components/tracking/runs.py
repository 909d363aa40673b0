"""Runs in MLflow: one for a pipeline's run, below it one for each task."""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from components.tracking.figures import _artifacts_beside, reachable, unreachable
from components.tracking.sinks import Numbers, Texts
from voco_model.files import whole_file

EXPERIMENT, LEDGERS = "voco", "voco-ledgers"
RUN_TAG = "voco.run"
PARENT_TAG = "mlflow.parentRunId"
ATTEMPT_TAG = "voco.attempt"
AT_ONCE = 100
"""Of parameters and tags; MLflow takes no more in one call."""
UNKNOWN = re.compile(r"[^\w\-. :/]")
"""Signs that MLflow does not take in a figure's name."""
DIGEST = 36
"""Of a data set's digest; MLflow takes no more."""
SQLITE = "sqlite:///"
MEMORY = "/dev/shm"


def open_run(uri: str, run_id: str, name: str, parameters: Texts, tags: Texts) -> str:
    """The pipeline run's own run in MLflow; its id there. Asked again, it is the same."""
    with reachable():
        client = client_of(uri)
        found = _parent(client, run_id)
        if found is None:
            told = {RUN_TAG: run_id, **tags}
            found = client.create_run(_experiment(client, uri), run_name=name, tags=told).info.run_id
            for key, value in parameters.items():
                client.log_param(found, key, value)
    return str(found)


def new_run(uri: str, name: str, tags: Texts) -> str:
    """A run that is over at once, to hold what is written into it, apart from the pipelines' runs; its id."""
    client = client_of(uri)
    made = client.create_run(_experiment(client, uri, LEDGERS), run_name=name, tags=dict(tags)).info.run_id
    client.set_terminated(made)
    return str(made)


def close_run(uri: str, run_id: str, status: str) -> None:
    """The pipeline's run is over."""
    with reachable():
        client = client_of(uri)
        if (found := _parent(client, run_id)) is not None:
            client.set_terminated(found, status)


class MlflowSink:
    """A task's run in MLflow, by its id there."""

    def __init__(self, uri: str, run: str) -> None:
        self._client, self.id = client_of(uri), run

    @classmethod
    def new(
        cls, uri: str, task: str, run_id: str | None, moment: int | None = None, attempt: str | None = None
    ) -> "MlflowSink":
        """A new run, below the pipeline's where there is one. moment: when it began, in milliseconds.

        attempt: a name of which there is one run only; asked for again, it is the same.
        """
        with reachable():
            client, tags = client_of(uri), {}
            if attempt:
                if (found := _tagged(client, ATTEMPT_TAG, attempt)) is not None:
                    return cls(uri, found)
                tags = {ATTEMPT_TAG: attempt}
            if run_id:
                parent = _parent(client, run_id) or open_run(uri, run_id, run_id, {}, {})
                tags |= {PARENT_TAG: parent, RUN_TAG: run_id}
            made = client.create_run(_experiment(client, uri), start_time=moment, run_name=task, tags=tags)
        return cls(uri, made.info.run_id)

    def start(self, parameters: Texts, tags: Texts) -> None:
        from mlflow.entities import Param

        given = [Param(key, value) for key, value in parameters.items()]
        with reachable():
            for first in range(0, len(given), AT_ONCE):
                self._client.log_batch(self.id, params=given[first : first + AT_ONCE])
        self.tags(tags)

    def inputs(self, inputs: Texts) -> None:
        """What the task reads, as MLflow's data sets; said twice, they are there once."""
        from mlflow.entities import Dataset, DatasetInput

        given = [
            DatasetInput(Dataset(name, sha256[:DIGEST], "sha256", json.dumps({"sha256": sha256})))
            for name, sha256 in inputs.items()
        ]
        if given:
            with reachable():
                self._client.log_inputs(self.id, given)

    def figures(self, step: int, numbers: Numbers, moment: int | None = None) -> None:
        """Figures of the same step and moment are kept once, however often they are told."""
        from mlflow.entities import Metric

        moment = moment or int(time.time() * 1000)
        given = [Metric(UNKNOWN.sub("_", name), float(value), moment, step) for name, value in numbers.items()]
        with reachable():
            for first in range(0, len(given), AT_ONCE):
                self._client.log_batch(self.id, metrics=given[first : first + AT_ONCE])

    def tags(self, tags: Texts) -> None:
        from mlflow.entities import RunTag

        given = [RunTag(key, value) for key, value in tags.items()]
        with reachable():
            for first in range(0, len(given), AT_ONCE):
                self._client.log_batch(self.id, tags=given[first : first + AT_ONCE])

    def files(self, paths: Sequence[Path]) -> None:
        with reachable():
            for path in paths:
                self._client.log_artifact(self.id, str(path))

    def end(self, status: str, moment: int | None = None) -> None:
        """FINISHED, FAILED, or KILLED where nobody said."""
        with reachable():
            self._client.set_terminated(self.id, status, end_time=moment)


@cache
def client_of(uri: str) -> Any:
    """MLflow's client. A local database is made where there is none, which takes a few seconds."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    if uri.startswith(SQLITE):
        _make_database(Path(uri.removeprefix(SQLITE)))
    try:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except MlflowException as error:  # not a refusal of what is sent, but no place to send it to
        raise unreachable(error) from None


def _make_database(path: Path) -> None:
    """An empty database, where there is none.

    MLflow makes its tables in many small steps and writes each to the disk. In memory that takes a quarter of the
    time, and a kill leaves no half of it.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists():
            return
        from mlflow import MlflowClient

        memory = MEMORY if os.access(MEMORY, os.W_OK) else None
        with tempfile.TemporaryDirectory(dir=memory) as folder, whole_file(path) as whole:
            made = Path(folder) / "mlflow.db"
            MlflowClient(tracking_uri=f"{SQLITE}{made}").search_experiments()
            shutil.copyfile(made, whole)


def _experiment(client: Any, uri: str, name: str = EXPERIMENT) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, _artifacts_beside(uri)))
        except MlflowException:  # another step was first, or it fails again below
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _parent(client: Any, run_id: str) -> str | None:
    """The pipeline run's run: the one with its tag that has no parent."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return None
    found = client.search_runs([experiment.experiment_id], f"tags.`{RUN_TAG}` = '{run_id}'", max_results=1000)
    return next((run.info.run_id for run in found if PARENT_TAG not in run.data.tags), None)


def _tagged(client: Any, tag: str, value: str) -> str | None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return None
    found = client.search_runs([experiment.experiment_id], f"tags.`{tag}` = '{value}'", max_results=1)
    return str(found[0].info.run_id) if found else None
