"""What MLflow is told of a step's surroundings: its inputs, the machine, the code that no commit has."""

import sys
import time
from types import ModuleType

import pytest

from components.stepping import perform as performing
from components.stepping.digests import content_of
from components.stepping.job import Done
from components.stepping.perform import Assignment, perform
from components.tracking.replay import replay
from components.tracking.runs import client_of
from components.tracking.surroundings import Watch, surroundings


@pytest.fixture
def done(mlflow_uri, tmp_path, monkeypatch):
    """A step's run in MLflow, directly or by way of a spool that is sent twice."""
    module = ModuleType("components.toy")
    module.step = lambda job: (job.outputs["model"].write_text("w"), Done({"loss": 1.0}))[1]
    monkeypatch.setitem(sys.modules, "components.toy", module)
    monkeypatch.setenv("KFP_RUN_ID", "kfp-7")
    (tmp_path / "data.txt").write_text("a")

    def do(spooled):
        if spooled:
            monkeypatch.setenv("VOCO_SPOOL", str(tmp_path / "spool"))
        inputs, outputs = {"data": tmp_path / "data.txt"}, {"model": tmp_path / "out/model"}
        perform(Assignment("toy", "toy", {}, inputs, outputs, tmp_path / "out/record"))
        client = client_of(mlflow_uri)
        if spooled:
            replay(tmp_path / "spool", mlflow_uri, None, over=True)
            for note in (tmp_path / "spool").glob("*.sent"):
                note.unlink()
            replay(tmp_path / "spool", mlflow_uri, None, over=True)
        (run,) = client.search_runs([client.get_experiment_by_name("voco").experiment_id])
        return client, run

    return do


@pytest.mark.parametrize("spooled", [False, True])
def test_a_run_names_its_inputs_the_machine_and_how_busy_that_was(done, tmp_path, spooled):
    _, run = done(spooled)
    (read,) = run.inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.source_type) == ("data", "sha256")
    assert content_of(tmp_path / "data.txt").sha256 in read.dataset.source
    assert int(run.data.tags["voco.cores"]) > 0
    assert float(run.data.tags["voco.memory_gib"]) > 0
    assert run.data.tags["kfp.run"] == "kfp-7"
    assert len(run.data.tags["voco.packages_sha256"]) == 64
    assert 0 < run.data.metrics["system/memory_percent"] <= 100
    assert run.data.metrics["system/process_memory_gib"] > 0


def test_what_no_commit_has_of_the_code_is_kept(done, tmp_path, monkeypatch):
    from components.stepping import record
    from components.stepping.code import Code

    monkeypatch.setattr(record, "code", lambda: Code("c0ffee", True, "a" * 64))
    monkeypatch.setattr(performing, "code_changes", lambda: "+ a line of mine\n")
    client, run = done(False)
    assert "code.diff" in {one.path for one in client.list_artifacts(run.info.run_id)}
    kept = client.download_artifacts(run.info.run_id, "code.diff", str(tmp_path))
    with open(kept) as file:
        assert file.read() == "+ a line of mine\n"


def test_the_machine_is_looked_at_now_and_then_and_at_the_end():
    seen = []
    with Watch(lambda number, figures: seen.append((number, set(figures))), every=0.05):
        end = time.monotonic() + 30
        while len(seen) < 3 and time.monotonic() < end:
            time.sleep(0.01)
    assert [number for number, _ in seen] == list(range(len(seen)))
    assert len(seen) >= 4
    assert {"system/cpu_percent", "system/disk_percent"} <= seen[0][1]


def test_a_tracker_that_is_away_ends_the_looking_and_not_the_step(capsys):
    def away(number, figures):
        raise OSError("the disk is full")

    with Watch(away, every=0.01):
        pass
    assert "not watched any more: the disk is full" in capsys.readouterr().err


def test_what_is_not_known_is_not_said(monkeypatch):
    for name in ("KFP_RUN_ID", "VOCO_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    assert "" not in surroundings().values()
    assert "kfp.run" not in surroundings()
