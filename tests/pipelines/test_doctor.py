"""`voco doctor`: what is well, what is wrong with the way out, what is not configured; soon, whatever hangs."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipelines.cli import main
from pipelines.doctoring import machine, servers
from pipelines.doctoring.finding import find_all, good
from tests.servers.kubeflow import kubeflow
from tests.servers.ports import free_port

CLEARED = (
    "MLFLOW_TRACKING_URI",
    "VOCO_DVC_REMOTE",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "KFP_HOST",
    "KFP_TOKEN",
    "KFP_NAMESPACE",
    "KUBERNETES_SERVICE_HOST",
)


@pytest.fixture(autouse=True)
def laptop(monkeypatch, tmp_path):
    """A machine where nothing is configured."""
    for name in CLEARED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOCO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


@pytest.fixture
def server():
    """Answers every request with the status that it is set to."""

    class Handler(BaseHTTPRequestHandler):
        status = 200
        body = b"{}"

        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(self.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            self.wfile.write(self.body)

        do_GET = do_HEAD = do_POST = answer

        def log_message(self, *_):
            pass

    own = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=own.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield Handler, f"http://127.0.0.1:{own.server_address[1]}"
    own.shutdown()
    own.server_close()
    thread.join(timeout=5)


def test_a_laptop_is_well_and_what_is_not_configured_is_no_fault(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(machine.shutil, "which", lambda _: None)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    marks = {line[2:13].strip(): line[0] for line in lines}
    assert marks == {
        "Python": "✓",
        "packages": "✓",
        "GPU": "–",
        "disk": "✓",
        "MLflow": "✓",
        "DVC remote": "✓",
        "S3": "–",
        "KFP": "–",
        "cluster": "–",
    }
    assert not (tmp_path / "home").exists()


def test_what_is_wrong_has_its_fix_and_the_status_says_so(capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@127.0.0.1:{free_port()}")
    monkeypatch.setenv("KFP_HOST", f"http://127.0.0.1:{free_port()}")
    assert main(["doctor", "--json"]) == 1
    said = capsys.readouterr().out
    assert "secret" not in said
    found = json.loads(said)
    assert {name for name, one in found.items() if one["state"] == "bad"} == {"MLflow", "KFP"}
    assert "forward its port" in found["MLflow"]["fix"]
    assert all(one["fix"] for one in found.values() if one["state"] == "bad")


def test_a_check_that_hangs_is_left_and_one_that_breaks_is_told():
    def hangs():
        time.sleep(30)
        return good("late")

    def breaks():
        raise RuntimeError("no such thing")

    found = dict(find_all([("a", hangs), ("b", breaks), ("c", lambda: good("well"))], 0.3))
    assert [found[name].state for name in "abc"] == ["bad", "bad", "good"]
    assert "no answer within 0.3 s" in found["a"].detail
    assert "RuntimeError: no such thing" in found["b"].detail


def test_mlflow_s_server_and_database(server, tmp_path):
    handler, url = server
    assert servers.mlflow(tmp_path, {"MLFLOW_TRACKING_URI": url}).state == "good"
    handler.status = 401
    assert "MLFLOW_TRACKING_TOKEN" in servers.mlflow(tmp_path, {"MLFLOW_TRACKING_URI": url}).fix
    assert servers.mlflow(tmp_path, {"MLFLOW_TRACKING_URI": "file:///x"}).state == "bad"
    (tmp_path / "mlflow.db").write_text("no database")
    assert "the next run makes a new one" in servers.mlflow(tmp_path, {}).fix


def test_s3_and_a_remote_bucket(server, monkeypatch):
    handler, url = server
    handler.body = b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"
    environment = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "key", "VOCO_DVC_REMOTE": "s3://bucket/dvc"}
    for name, value in (environment | {"AWS_SECRET_ACCESS_KEY": "hidden", "AWS_DEFAULT_REGION": "eu-1"}).items():
        monkeypatch.setenv(name, value)
    assert servers.s3(environment).state == "good"
    assert servers.dvc_remote(None, environment).state == "good"
    handler.status, handler.body = 403, b"<Error><Code>InvalidAccessKeyId</Code></Error>"
    found = servers.s3(environment)
    assert (found.state, "InvalidAccessKeyId" in found.detail) == ("bad", True)
    assert servers.dvc_remote(None, environment).state == "bad"
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    found = servers.s3(environment | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"})
    assert "AWS_ENDPOINT_URL" in found.fix


def test_kubeflow_by_its_own_answers():
    with kubeflow("token") as fake:
        asked = {"KFP_HOST": fake.url, "KFP_TOKEN": "token"}
        assert servers.kfp(asked).state == "good"
        assert "export it as KFP_TOKEN" in servers.kfp(asked | {"KFP_TOKEN": "old"}).fix
        assert "KFP_NAMESPACE" in servers.kfp(asked | {"KFP_NAMESPACE": "x"}).fix


def test_a_server_that_never_answers_is_told_within_its_patience(monkeypatch):
    monkeypatch.setattr(servers, "PATIENCE", 0.3)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        assert servers.mlflow(None, {"MLFLOW_TRACKING_URI": url}).state == "bad"
        assert servers.kfp({"KFP_HOST": url}).state == "bad"


def test_the_cluster_is_asked_what_we_may_do(server, tmp_path, monkeypatch):
    handler, url = server
    (tmp_path / "kubeconfig").write_text(
        json.dumps(
            {
                "current-context": "t",
                "clusters": [{"name": "t", "cluster": {"server": url}}],
                "users": [{"name": "t", "user": {}}],
                "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
            }
        )
    )
    path = str(tmp_path / "kubeconfig")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", path)
    for allowed, state in ((True, "good"), (False, "bad")):
        handler.body = json.dumps({"spec": {}, "status": {"allowed": allowed}}).encode()
        assert servers.cluster({"KUBECONFIG": path}).state == state
    handler.status = 401
    assert "get a new kubeconfig" in servers.cluster({"KUBECONFIG": path}).fix


def test_packages_at_other_versions_are_named(tmp_path):
    (tmp_path / "constraints.txt").write_text("pyyaml==1.0\nnot-installed==2\n")
    found = machine.packages(tmp_path / "constraints.txt")
    assert found.state == "bad"
    assert "pyyaml" in found.detail
    assert found.fix == "make venv"


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "LEAST_GIB", 1e9)
    found = machine.disk(tmp_path / "home")
    assert found.state == "bad"
    assert "export VOCO_HOME" in found.fix
