"""What a step tells MLflow: figures and files, where a tracking server or database is configured."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from voco_model.errors import VocoError


def tracking_uri() -> str | None:
    """Where MLflow is, by its own environment variable."""
    return os.environ.get("MLFLOW_TRACKING_URI") or None


def log_figures(
    run_name: str, figures: Mapping[str, float], artifacts: Sequence[Path] = (), *, experiment: str = "voco"
) -> str | None:
    """Log figures and files as a run; its id, or None where no tracking is configured."""
    uri = tracking_uri()
    if uri is None:
        return None
    with reachable():
        client, run_id = _new_run(uri, run_name, experiment)
        with _ended(client, run_id):
            for name, value in figures.items():
                client.log_metric(run_id, name, value)
            for path in artifacts:
                client.log_artifact(run_id, str(path))
    return run_id


Stream = Callable[[int, Mapping[str, float]], None]
"""Takes a step and its figures."""


@contextmanager
def streamed_figures(
    run_name: str, settings: Mapping[str, str], *, experiment: str = "voco"
) -> Iterator[Stream | None]:
    """A run that figures go to while it lasts, or None where no tracking is configured.

    MLflow must be there at the start. Should it go away later, that is said once, and the work goes on without.
    """
    uri = tracking_uri()
    if uri is None:
        yield None
        return
    with reachable():
        client, run_id = _new_run(uri, run_name, experiment)
        for name, value in settings.items():
            client.log_param(run_id, name, value)
    with _ended(client, run_id):
        yield _to_mlflow(client, run_id)


def _to_mlflow(client: Any, run_id: str) -> Stream:
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException

    is_lost = False

    def log(step: int, figures: Mapping[str, float]) -> None:
        nonlocal is_lost
        now = int(time.time() * 1000)
        try:
            client.log_batch(run_id, [Metric(name, value, now, step) for name, value in figures.items()])
        except MlflowException as error:
            if not is_lost:
                print(f"MLflow took no figures from step {step} on ({error.message})", file=sys.stderr)
            is_lost = True

    return log


class Refused(VocoError):
    """MLflow is there and does not take what it was given; asking again will not help."""


REFUSALS = frozenset(
    {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"}
)


@contextmanager
def reachable() -> Iterator[None]:
    """MLflow's own errors as one line."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in REFUSALS:
            raise Refused(f"MLflow does not take this: {_line(error)}") from None
        raise unreachable(error) from None


def unreachable(error: Exception) -> VocoError:
    """MLflow is not there, or what is configured is none."""
    way_out = "start the server, or unset MLFLOW_TRACKING_URI"
    return VocoError(f"MLFLOW_TRACKING_URI: nothing can be logged there ({_line(error)}); {way_out}")


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "message", error)).split())[:500]


def _new_run(uri: str, run_name: str, experiment: str) -> tuple[Any, str]:
    from components.tracking.runs import client_of

    client = client_of(uri)
    found = client.get_experiment_by_name(experiment)
    experiment_id = found.experiment_id if found else client.create_experiment(experiment, _artifacts_beside(uri))
    return client, client.create_run(experiment_id, run_name=run_name).info.run_id


@contextmanager
def _ended(client: Any, run_id: str) -> Iterator[None]:
    """The run is ended as it went."""
    from mlflow.exceptions import MlflowException

    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        with suppress(MlflowException):
            client.set_terminated(run_id, status)


def _artifacts_beside(uri: str) -> str | None:
    """A local database keeps files beside itself, not in whatever folder a command was started from."""
    prefix = "sqlite:///"
    if not uri.startswith(prefix):
        return None
    return (Path(uri.removeprefix(prefix)).resolve().parent / "mlartifacts").as_uri()
