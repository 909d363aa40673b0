"""`voco run` for real: KFP's local runner, MLflow on sqlite, DVC's layout; on very little, for minutes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from components.stepping.record import read_record

pytestmark = pytest.mark.integration
SMALLER = {
    "ingest.world": "{seed: 0, images: 40, clips: 6, level: 1}",
    "ingest.benchmarks.names": "[pope, msvd_qa]",
    "align.steps": 3,
    "instruct.steps": 3,
    "bounds.steps": 3,
    "continue_video.steps": 2,
    "evaluate.benchmarks": "[pope, msvd_qa]",
    "evaluate.limit": 8,
}
LONGEST = 600


def command(*more: str, **changed: object) -> list[str]:
    settings = [f"--set={key}={value}" for key, value in (SMALLER | changed).items()]
    return [sys.executable, "-m", "pipelines.cli", "run", *settings, *more]


def environment(home) -> dict[str, str]:
    taken = ("MLFLOW_TRACKING_URI", "VOCO_DVC_REMOTE", "VOCO_RUN", "VOCO_SPOOL")
    own = {"VOCO_HOME": str(home), "VOCO_NOTIFY": str(home / "told.jsonl"), "OMP_NUM_THREADS": "2"}
    return {name: value for name, value in os.environ.items() if name not in taken} | own


def run(home, *more: str, **changed: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*more, **changed), env=environment(home), capture_output=True, text=True, timeout=LONGEST
    )


def summaries(home) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((home / "runs").glob("*/summary.json"))]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home):
    done = run(home)
    assert done.returncode == 0, done.stdout + done.stderr + next((home / "runs").glob("*/log.txt")).read_text()
    return done


def test_a_run_ends_with_tables_verdict_and_where_to_look(first, home):
    for word in ("POPE", "gate", "registry  version 1", "report", "mlflow ui", "voco audit"):
        assert word in first.stdout, first.stdout
    [summary] = summaries(home)
    assert summary["values"]["validate"]["passed"] == "yes"
    assert {"evaluate pope", "evaluate msvd_qa", "audit"} <= set(summary["tasks"])


def test_mlflow_has_a_run_for_every_task_below_that_of_the_pipeline(first, home):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    [experiment] = [e for e in client.search_experiments() if e.name == "voco"]
    runs = client.search_runs([experiment.experiment_id])
    [parent] = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    children = {one.info.run_name: one for one in runs if one is not parent}
    assert {one.data.tags["mlflow.parentRunId"] for one in children.values()} == {parent.info.run_id}
    assert {"ingest", "instruct", "bounds", "evaluate pope", "promote", "audit"} <= set(children)
    assert children["instruct"].data.metrics["loss"] > 0
    assert {one.info.status for one in runs} == {"FINISHED"}
    assert str(client.get_model_version_by_alias("voco-llama", "challenger").version) == "1"


def test_every_output_is_kept_under_its_digest(first, home):
    records = [read_record(path) for path in (home / "outputs").rglob("record") if path.is_file()]
    assert len(records) >= 12
    for record in records:
        for content in record.outputs.values():
            assert (home / "dvc-remote/files/md5" / content.md5[:2] / content.md5[2:]).is_file(), record.task


def test_somebody_was_told(first, home):
    told = [json.loads(line) for line in (home / "told.jsonl").read_text().splitlines()]
    assert "SUCC" in json.dumps(told[0]).upper()


def test_nothing_new_ends_early_and_says_why(first, home):
    done = run(home)
    assert done.returncode == 0, done.stderr
    assert "nothing new" in done.stdout
    assert "align" not in summaries(home)[-1]["tasks"]


def test_what_is_done_is_not_done_again(first, home):
    done = run(home, "--force")
    assert done.returncode == 0, done.stderr
    tasks = summaries(home)[-1]["tasks"]
    assert tasks["ingest"] == tasks["instruct"] == tasks["continue_video"] == 0.0
    assert tasks["promote"] > 0
    assert "registry  version 1" in done.stdout  # the same model is not registered twice


def test_from_a_step_on_everything_is_done_again(first, home):
    done = run(home, "--from", "profile")
    assert done.returncode == 0, done.stderr
    tasks = summaries(home)[-1]["tasks"]
    assert tasks["instruct"] == tasks["summarise"] == 0.0
    assert min(tasks["profile"], tasks["export"], tasks["audit"]) > 0


def test_one_step_alone(first, home):
    done = run(home, "--only", "profile")
    assert done.returncode == 0, done.stderr
    assert (home / "runs").joinpath(done.stdout.strip().splitlines()[-1]).exists()


def test_bad_data_stops_before_anything_is_trained(first, home):
    done = run(home, "--force", **{"validate.thresholds": "{captions: {min_side: 5000}}"})
    assert done.returncode == 1
    assert "data validation failed: captions" in done.stdout
    tasks = summaries(home)[-1]["tasks"]
    assert "validate" in tasks
    assert "align" not in tasks
    assert "FAIL" in (home / "told.jsonl").read_text().splitlines()[-1].upper()


def test_an_interrupted_run_is_gone_on_with(tmp_path):
    home = tmp_path / "home"
    process = subprocess.Popen(
        command(**{"instruct.steps": 400, "evaluate.benchmarks": "[pope]"}),
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until = time.monotonic() + LONGEST
    while not any("instruct 10/" in p.read_text() for p in home.glob("runs/*/log.txt")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < until
        time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    checkpoints = list(home.glob("work/instruct/*/run/checkpoints/*"))
    assert checkpoints
    left = subprocess.run(["pgrep", "-f", str(home)], capture_output=True, text=True).stdout.split()
    assert not left


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--profile", "huge"], "no such profile"),
        (["--profile", "7b-8gpu"], "8 H100-80GB, this machine has"),
        (["--only", "trane"], "no step trane; there are look"),
        (["--from", "trane"], "no step trane"),
    ],
)
def test_mistakes_get_one_line_before_anything_is_started(tmp_path, more, message):
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "run", *more],
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "home").exists()
