"""MLflow's store on PostgreSQL, addressed as the deployment addresses it."""

import pytest
import yaml

from tests.infra.manifests import KUBERNETES

pytestmark = pytest.mark.integration
NAME = "kept-in-postgresql"
"""Of its own: other tests leave models in the same database."""


def test_runs_and_models_are_kept_in_postgresql(postgres, monkeypatch, tmp_path):
    pytest.importorskip("psycopg", reason="the driver of PostgreSQL is not installed: `make venv`")
    from mlflow import MlflowClient

    for name, value in postgres.environment.items():
        monkeypatch.setenv(name, value)
    settings = next(yaml.safe_load_all((KUBERNETES / "base/mlflow.yaml").read_text()))["data"]
    uri = settings["MLFLOW_BACKEND_STORE_URI"]
    assert "@" not in uri, "user and password come from the environment"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.create_experiment("kept", artifact_location=tmp_path.as_uri())
    run = client.create_run(experiment)
    for step in range(3):
        client.log_metric(run.info.run_id, "loss", 1 / (step + 1), step=step)
    client.create_registered_model(NAME)
    made = client.create_model_version(NAME, tmp_path.as_uri(), run.info.run_id)
    client.set_registered_model_alias(NAME, "champion", made.version)

    other = MlflowClient(tracking_uri=f"{uri}?application_name=another", registry_uri=uri)
    assert [m.value for m in other.get_metric_history(run.info.run_id, "loss")] == [1, 1 / 2, 1 / 3]
    assert other.get_model_version_by_alias(NAME, "champion").run_id == run.info.run_id
