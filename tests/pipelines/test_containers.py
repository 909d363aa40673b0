"""The compiled pipeline in real containers: every step in the project's own image, by a user that is not root."""

import json
import os
import subprocess
import sys

import pytest

from components.stepping.record import read_record
from tests.pipelines.test_local_run import command, environment

pytestmark = pytest.mark.integration
LONGEST = 1500
REFUSED = {"validate.thresholds": "{min_side: 5000}"}


def run(engine, image, home, *more, **changed):
    return subprocess.run(
        command("--image", image, *more, **{"evaluate.benchmarks": "[pope]"} | changed),
        env=environment(home) | {"DOCKER_HOST": engine.host},
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )


def log_of(home):
    return sorted(home.glob("runs/*/log.txt"))[-1].read_text()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("containers") / "home"
    for above in (*folder.parents[:3],):  # pytest's folders are its user's alone; a container has another
        above.chmod(above.stat().st_mode | 0o055)
    return folder


def test_the_whole_pipeline_in_containers(docker_engine, project_image, home):
    done = run(docker_engine, project_image, home)
    assert done.returncode == 0, done.stdout + done.stderr + log_of(home)[-6000:]
    assert "registry  version 1" in done.stdout
    records = [read_record(path) for path in home.glob("outputs/*/*/record")]
    tasks = {record.task for record in records}
    assert {"ingest", "validate", "instruct", "summarise", "promote", "audit"} <= tasks
    for record in records:
        assert "@sha256:" in record.image, record.task
    owners = {path.stat().st_uid for path in home.glob("outputs/*/align/model/config.json")}
    assert owners == {os.getuid() or 10001}


def test_what_must_fail_fails(docker_engine, project_image, home):
    done = run(docker_engine, project_image, home, "--force", **REFUSED)
    assert done.returncode == 1, done.stdout
    assert "data validation failed" in done.stdout
    summary = json.loads(sorted(home.glob("runs/*/summary.json"))[-1].read_text())
    assert "align" not in summary["tasks"]


def test_an_image_that_is_not_there_is_named(docker_engine, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "run", "--image", "no-such-image"],
        env=environment(tmp_path / "home") | {"DOCKER_HOST": docker_engine.host},
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert done.returncode == 1
    assert "no such image" in done.stderr
