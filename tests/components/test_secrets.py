"""Secrets that steps are given by their environment are in nothing that a run leaves, prints, or compiles."""

import subprocess
from pathlib import Path

import pytest

from components import notify
from components.attesting.keys import KEY_FILE
from components.stepping.job import Job
from pipelines.cli import main
from tests.components.auditing.runs import whole_run

CANARIES = {
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-store",
    "AWS_ACCESS_KEY_ID": "CANARYIDOFTHESTORE",
    "MLFLOW_TRACKING_PASSWORD": "canary-of-mlflow",
    "MLFLOW_TRACKING_TOKEN": "canary-of-the-token",
    "PGPASSWORD": "canary-of-postgres",
    "VOCO_SMTP": "smtp://voco:canary-of-the-mail@127.0.0.1:9",
    "VOCO_NOTIFY": "http://127.0.0.1:9/services/canary-of-the-webhook",
    "KF_PIPELINES_TOKEN": "canary-of-the-pipelines",
    "OPENAI_API_KEY": "canary-of-the-judge",
}


@pytest.fixture
def planted(mlflow_uri, tmp_path, monkeypatch):
    """Each secret in its place; the private key in a file of its own, beside what a run leaves."""
    for name, secret in CANARIES.items():
        monkeypatch.setenv(name, secret)
    key = tmp_path / "given/key.pem"
    key.parent.mkdir()
    command = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    key.chmod(0o600)
    monkeypatch.setenv(KEY_FILE, str(key))
    monkeypatch.setattr(notify, "PAUSE", 0.01)
    body = "".join(key.read_text().splitlines()[1:-1])
    return {name: secret.encode() for name, secret in CANARIES.items()} | {KEY_FILE: body.encode()}


def found_in(data: bytes, secrets: dict[str, bytes]) -> list[str]:
    return [name for name, secret in secrets.items() if secret in data]


def test_no_secret_is_left_or_said_anywhere(planted, tmp_path, monkeypatch, capfd):
    whole_run(tmp_path, monkeypatch)
    settings = {"pipeline": "voco-retraining", "state": "FAILED", "error": "align: the disk is full"}
    notify.step(Job("notify", settings, {}, {}, tmp_path))
    monkeypatch.delenv("VOCO_SPOOL")
    images = [f"{flag}=registry.example/voco@sha256:{'0' * 64}" for flag in ("--image", "--gpu-image")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for command in (
            ["compile", "--profile", "7b-8gpu", *images, "--out", str(tmp_path / "compiled.yaml")],
            ["audit", "voco-llama/1", "--deep"],
            ["audit", "voco-llama/1", "--format", "html"],
            ["history"],
            ["promote", "voco-llama/7"],
            ["doctor"],
        ):
            main(command)
    said = capfd.readouterr()
    assert "compiled.yaml" in {path.name for path in tmp_path.iterdir()}
    assert "run-1" in said.out, "something was said at all"
    assert found_in((said.out + said.err).encode(), planted) == []
    looked, given = 0, tmp_path / "given"
    for path in (p for p in Path(tmp_path).rglob("*") if p.is_file() and given not in p.parents):
        looked += 1
        assert found_in(path.read_bytes(), planted) == [], path
        assert found_in(str(path).encode(), planted) == [], path
    assert looked > 50


def test_the_search_finds_what_is_there(planted, tmp_path):
    (tmp_path / "log.txt").write_text("password=canary-of-mlflow")
    assert found_in((tmp_path / "log.txt").read_bytes(), planted) == ["MLFLOW_TRACKING_PASSWORD"]
