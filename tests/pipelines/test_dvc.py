"""`dvc repro` and experiments for real, in a clone of this repository, on very little."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipelines.test_local_run import SMALLER

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
LONGEST = 900


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Its parameters made small in the file: what `dvc repro` reads."""
    folder = tmp_path_factory.mktemp("dvc") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True, timeout=LONGEST)
    path = folder / "params.yaml"
    parameters = yaml.safe_load(path.read_text())
    for name, value in SMALLER.items():
        *above, last = name.split(".")
        section = parameters
        for part in above:
            section = section[part]
        section[last] = yaml.safe_load(str(value))
    path.write_text(yaml.safe_dump(parameters, sort_keys=False))
    return folder


def call(clone, *command: str) -> str:
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(clone),
        "DVC_NO_ANALYTICS": "1",
        "OMP_NUM_THREADS": "2",
        "VOCO_HOME": str(clone / ".voco"),
        **{f"GIT_{who}_{what}": "tests" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    taken = ("MLFLOW_TRACKING_URI", "VOCO_DVC_REMOTE", "VOCO_RUN", "VOCO_SPOOL")
    environment = {name: value for name, value in os.environ.items() if name not in taken} | own
    done = subprocess.run(
        command,
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def reproduced(clone):
    said = call(clone, "dvc", "repro")
    call(clone, "git", "add", "--all")
    call(clone, "git", "commit", "--quiet", "--message", "reproduced")
    return said


def test_every_stage_runs_and_a_second_time_none(clone, reproduced):
    assert "Running stage 'audit'" in reproduced
    audit = json.loads((clone / "runs/audit/audit/audit.json").read_text())
    assert {one["record"]["task"] for one in audit["records"]} >= {
        "ingest",
        "instruct",
        "evaluate pope",
        "promote",
    }
    assert "up to date" in call(clone, "dvc", "repro")


def test_an_experiment_changes_one_thing_and_what_reads_it(clone, reproduced):
    said = call(clone, "dvc", "exp", "run", "--set-param", "profile.repeats=2")
    assert "'instruct' didn't change" in said
    assert "Running stage 'profile'" in said
    assert "Running stage 'export'" in said
    assert "profile.repeats" in call(clone, "dvc", "params", "diff")


def test_metrics_and_plots_are_there(clone, reproduced):
    shown = json.loads(call(clone, "dvc", "metrics", "show", "--json"))
    files = shown[""]["data"]
    assert files["runs/instruct/figures.json"]["data"]["loss"] > 0
    call(clone, "dvc", "metrics", "diff")
    call(clone, "dvc", "plots", "show", "--out", "plots")
    assert "instruct" in (clone / "plots/index.html").read_text()


def test_outputs_are_in_the_remote_already(clone, reproduced):
    """What a step made is kept under DVC's digests while it runs: `dvc push` has nothing left for those."""
    lock = yaml.safe_load((clone / "dvc.lock").read_text())
    [model] = [out for out in lock["stages"]["instruct"]["outs"] if out["path"].endswith("model")]
    assert (clone / ".voco/dvc-remote/files/md5" / model["md5"][:2] / model["md5"][2:]).is_file()
