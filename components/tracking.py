"""What a step tells MLflow: figures and files, where a tracking server or database is configured."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

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
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.exceptions import MlflowException

    try:
        return _log(uri, run_name, figures, artifacts, experiment)
    except MlflowException as error:
        way_out = "start the server, or unset MLFLOW_TRACKING_URI"
        raise VocoError(f"MLFLOW_TRACKING_URI: nothing can be logged there ({error.message}); {way_out}") from None


def _log(uri: str, run_name: str, figures: Mapping[str, float], artifacts: Sequence[Path], experiment: str) -> str:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    experiment_id = found.experiment_id if found else client.create_experiment(experiment, _artifacts_beside(uri))
    run_id: str = client.create_run(experiment_id, run_name=run_name).info.run_id
    try:
        for name, value in figures.items():
            client.log_metric(run_id, name, value)
        for path in artifacts:
            client.log_artifact(run_id, str(path))
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
    return run_id


def _artifacts_beside(uri: str) -> str | None:
    """A local database keeps files beside itself, not in whatever folder a command was started from."""
    prefix = "sqlite:///"
    if not uri.startswith(prefix):
        return None
    return (Path(uri.removeprefix(prefix)).resolve().parent / "mlartifacts").as_uri()
