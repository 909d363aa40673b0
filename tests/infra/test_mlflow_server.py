"""The MLflow of the manifests: its command and settings, in the project's image, on PostgreSQL and S3."""

import contextlib
import time
import urllib.error
import urllib.request

import pytest

from tests.infra.manifests import documents, pods
from tests.servers.ports import free_port

pytestmark = pytest.mark.integration
BUCKET = "mlflow-artifacts"
LONGEST = 240


def settings(port: int, postgres, object_store) -> dict[str, str]:
    """The production's own, but for the places that are this machine's."""
    (config,) = (
        d["data"]
        for d in documents("production")
        if d["kind"] == "ConfigMap" and d["metadata"]["name"] == "mlflow"
    )
    here = {
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}",
        "MLFLOW_SERVER_ALLOWED_HOSTS": config["MLFLOW_SERVER_ALLOWED_HOSTS"] + f",127.0.0.1:{port}",
        "PGSSLMODE": "disable",
    }
    return config | here | postgres.environment | object_store.environment


@pytest.fixture
def server(docker_engine, project_image, postgres, object_store):
    port = free_port()
    (pod,) = (pod for name, pod in pods("production") if name.startswith("Deployment/mlflow["))
    elsewhere = {"5000": str(port), "0.0.0.0": "127.0.0.1"}
    command = [elsewhere.get(word, word) for word in pod["containers"][0]["command"]]
    with contextlib.closing(object_store.client()) as s3:
        s3.create_bucket(Bucket=BUCKET)
    variables = [f"--env={k}={v}" for k, v in settings(port, postgres, object_store).items()]
    closed = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "host")
    made = docker_engine.call("run", "--detach", *closed, *variables, project_image, *command).strip()
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/health", lambda: docker_engine.attempt("logs", made))
        yield f"http://127.0.0.1:{port}"
    finally:
        docker_engine.attempt("rm", "--force", made)


def wait_until_healthy(url: str, logs) -> None:
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(1)
    said = logs()
    raise AssertionError(f"MLflow did not start:\n{said.stdout[-2000:]}{said.stderr[-4000:]}")


def test_rows_go_to_postgresql_and_files_to_s3_through_the_server(server, object_store, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    for name in object_store.environment:
        monkeypatch.delenv(name, raising=False)  # clients need no credentials of the bucket
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    run = client.create_run(client.create_experiment("container"))
    client.log_metric(run.info.run_id, "loss", 0.5)
    (tmp_path / "report.txt").write_text("kept")
    client.log_artifact(run.info.run_id, str(tmp_path / "report.txt"))

    assert client.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
    with contextlib.closing(object_store.client()) as s3:
        kept = [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
        assert [key.rpartition("/")[2] for key in kept] == ["report.txt"]
        assert s3.get_object(Bucket=BUCKET, Key=kept[0])["Body"].read() == b"kept"

    foreign = urllib.request.Request(
        f"{server}/api/2.0/mlflow/experiments/search", headers={"Host": "evil.example"}
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(foreign, timeout=30)
