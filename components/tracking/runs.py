"""Runs in MLflow: one for a pipeline's run, below it one for each task."""

import os
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from components.tracking.figures import _artifacts_beside, _reachable
from components.tracking.sinks import Numbers, Texts

EXPERIMENT = "voco"
RUN_TAG = "voco.run"
PARENT_TAG = "mlflow.parentRunId"
SQLITE = "sqlite:///"


def open_run(uri: str, run_id: str, name: str, parameters: Texts, tags: Texts) -> str:
    """The pipeline run's own run in MLflow; its id there. Asked again, it is the same."""
    with _reachable():
        client = client_of(uri)
        found = _parent(client, run_id)
        if found is None:
            told = {RUN_TAG: run_id, **tags}
            found = client.create_run(_experiment(client, uri), run_name=name, tags=told).info.run_id
            for key, value in parameters.items():
                client.log_param(found, key, value)
    return str(found)


def close_run(uri: str, run_id: str, status: str) -> None:
    """The pipeline's run is over."""
    with _reachable():
        client = client_of(uri)
        if (found := _parent(client, run_id)) is not None:
            client.set_terminated(found, status)


class MlflowSink:
    """A task's run in MLflow, by its id there."""

    def __init__(self, uri: str, run: str) -> None:
        self._client, self.id = client_of(uri), run

    @classmethod
    def new(cls, uri: str, task: str, run_id: str | None, moment: int | None = None) -> "MlflowSink":
        """A new run, below the pipeline's where there is one. moment: when it began, in milliseconds."""
        with _reachable():
            client, tags = client_of(uri), {}
            if run_id:
                parent = _parent(client, run_id) or open_run(uri, run_id, run_id, {}, {})
                tags = {PARENT_TAG: parent, RUN_TAG: run_id}
            made = client.create_run(_experiment(client, uri), start_time=moment, run_name=task, tags=tags)
        return cls(uri, made.info.run_id)

    def start(self, parameters: Texts, tags: Texts) -> None:
        from mlflow.entities import Param, RunTag

        with _reachable():
            given = [Param(key, value) for key, value in parameters.items()]
            self._client.log_batch(self.id, params=given[:100], tags=[RunTag(k, v) for k, v in tags.items()])

    def figures(self, step: int, numbers: Numbers, moment: int | None = None) -> None:
        from mlflow.entities import Metric

        moment = moment or int(time.time() * 1000)
        with _reachable():
            self._client.log_batch(
                self.id, metrics=[Metric(name, float(value), moment, step) for name, value in numbers.items()]
            )

    def tags(self, tags: Texts) -> None:
        from mlflow.entities import RunTag

        with _reachable():
            self._client.log_batch(self.id, tags=[RunTag(k, v) for k, v in tags.items()])

    def files(self, paths: Sequence[Path]) -> None:
        with _reachable():
            for path in paths:
                self._client.log_artifact(self.id, str(path))

    def end(self, status: str) -> None:
        with _reachable():
            self._client.set_terminated(self.id, status)


@cache
def client_of(uri: str) -> Any:
    """MLflow's client. A local database is made where there is none, which takes seconds."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    if uri.startswith(SQLITE):
        Path(uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _experiment(client: Any, uri: str) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    return str(found.experiment_id if found else client.create_experiment(EXPERIMENT, _artifacts_beside(uri)))


def _parent(client: Any, run_id: str) -> str | None:
    """The pipeline run's run: the one with its tag that has no parent."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return None
    found = client.search_runs([experiment.experiment_id], f"tags.`{RUN_TAG}` = '{run_id}'", max_results=1000)
    return next((run.info.run_id for run in found if PARENT_TAG not in run.data.tags), None)
