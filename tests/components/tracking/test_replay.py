"""A spool reaches MLflow in order and once: after kills, while MLflow is away, with things that it refuses."""

import json
import time

import pytest

from components.tracking import replay as replaying
from components.tracking.replay import Forwarder, replay, replay_rest, unsent
from components.tracking.runs import EXPERIMENT, PARENT_TAG, client_of, close_run, open_run
from components.tracking.sinks import SpoolSink, sink_for
from voco_model.errors import VocoError


class Killed(BaseException):
    """What a kill is to a process, without ending this one."""


def spooled(folder, task="align", steps=5, end="FINISHED"):
    """What a task writes."""
    page = folder.parent / f"{task}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(task)
    sink = SpoolSink(folder, task)
    sink.start({"lr": "0.1", "seed": "3"}, {"voco.task": task})
    for step in range(steps):
        sink.figures(step, {"loss": 10.0 - step, "mean accuracy, %": step})
    sink.tags({"voco.record_sha256": "a"})
    sink.files([page, folder / "gone"])
    if end:
        sink.end(end)
    return 4 + steps


def runs(uri):
    client = client_of(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return client.search_runs([experiment.experiment_id]) if experiment else []


def told(uri, run):
    """All that a task's run holds."""
    client = client_of(uri)
    curve = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")]
    files = [one.path for one in client.list_artifacts(run.info.run_id)]
    return run.info.status, run.data.params, run.data.tags["voco.record_sha256"], curve, files


def expected(task="align", steps=5, status="FINISHED"):
    curve = [(step, 10.0 - step) for step in range(steps)]
    return status, {"lr": "0.1", "seed": "3"}, "a", curve, [f"{task}.md"]


def test_everything_arrives_once_and_in_order(mlflow_uri, tmp_path):
    spool = tmp_path / "run-1" / "spool"
    count = spooled(spool) + spooled(spool, "instruct", end="FAILED")
    parent = open_run(mlflow_uri, "run-1", "retraining", {"profile": "tiny"}, {})
    assert replay(spool, mlflow_uri, "run-1") == count
    assert replay(spool, mlflow_uri, "run-1") == 0
    assert unsent(spool) == 0
    close_run(mlflow_uri, "run-1", "FINISHED")
    by_name = {run.info.run_name: run for run in runs(mlflow_uri)}
    assert set(by_name) == {"retraining", "align", "instruct"}
    assert told(mlflow_uri, by_name["align"]) == expected()
    assert told(mlflow_uri, by_name["instruct"]) == expected("instruct", status="FAILED")
    assert {by_name[name].data.tags[PARENT_TAG] for name in ("align", "instruct")} == {parent}
    assert "mean accuracy_ _" in by_name["align"].data.metrics
    written = [json.loads(line)["time"] for line in next(spool.glob("*-align-*.jsonl")).read_text().splitlines()]
    assert by_name["align"].info.start_time == written[0]
    assert by_name["align"].info.end_time == written[-1]


def test_a_kill_at_any_moment_loses_and_doubles_nothing(mlflow_uri, tmp_path, monkeypatch):
    spool = tmp_path / "spool"
    count = spooled(spool)
    note = replaying._note

    def killed(path, sent):
        raise Killed

    for number in range(count):  # sent, but killed before it was noted; then the same event again
        monkeypatch.setattr(replaying, "_note", killed)
        with pytest.raises(Killed):
            replay(spool, mlflow_uri, None)
        left = iter([note, killed])
        monkeypatch.setattr(replaying, "_note", lambda path, sent, left=left: next(left)(path, sent))
        if number < count - 1:
            with pytest.raises(Killed):
                replay(spool, mlflow_uri, None)
    monkeypatch.setattr(replaying, "_note", note)
    replay(spool, mlflow_uri, None)
    (run,) = runs(mlflow_uri)
    assert told(mlflow_uri, run) == expected()


def test_what_is_being_written_waits_for_its_end(mlflow_uri, tmp_path):
    spool = tmp_path / "spool"
    spooled(spool, end=None)
    path = next(spool.glob("*.jsonl"))
    with path.open("ab") as file:
        file.write(b'{"event": "figures", "ti')
    replay(spool, mlflow_uri, None)
    assert unsent(spool) == 24
    assert [run.info.status for run in runs(mlflow_uri)] == ["RUNNING"]
    replay(spool, mlflow_uri, None, over=True)  # its task was killed there
    (run,) = runs(mlflow_uri)
    assert told(mlflow_uri, run) == expected(status="KILLED")


def test_what_mlflow_refuses_holds_nothing_else_back(mlflow_uri, tmp_path):
    sink = SpoolSink(tmp_path / "spool", "align")
    sink.start({f"p{number}": "1" for number in range(130)}, {})
    sink.figures(0, {"loss": 3.0, "x" * 300: 1.0})
    sink.figures(1, {"loss": 2.0})
    sink.end("FINISHED")
    said = []
    replay(tmp_path / "spool", mlflow_uri, None, tell=said.append)
    (run,) = runs(mlflow_uri)
    assert len(run.data.params) == 130
    assert run.data.metrics["loss"] == 2.0
    assert run.info.status == "FINISHED"
    assert len(said) == 1
    assert "MLflow does not take this" in said[0]


def test_mlflow_away_for_a_while_is_made_up_for(mlflow_uri, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(replaying, "EVERY", 0.02)
    spool, away = tmp_path / "runs" / "run-1" / "spool", [True]
    spool.mkdir(parents=True)
    send, tries = replaying._send, []

    def maybe(*arguments):
        tries.append(1)
        if away[0]:
            raise VocoError("nothing can be logged there")
        send(*arguments)

    monkeypatch.setattr(replaying, "_send", maybe)
    with Forwarder(spool, mlflow_uri, "run-1"):
        count = spooled(spool)
        wait_until(lambda: len(tries) > 3)
        assert unsent(spool)
        assert replay_rest(tmp_path / "runs", mlflow_uri) == 0  # not another's that still lasts
        away[0] = False
        wait_until(lambda: not unsent(spool))
        away[0] = True
        spooled(spool, "instruct")
    assert unsent(spool)
    assert capfd.readouterr().err.count("is kept in") == 1
    away[0] = False
    assert replay_rest(tmp_path / "runs", mlflow_uri) == count
    assert sorted(run.info.run_name for run in runs(mlflow_uri)) == ["align", "instruct", "run-1"]
    for run in runs(mlflow_uri):
        if run.info.run_name != "run-1":
            assert told(mlflow_uri, run) == expected(run.info.run_name)


def wait_until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_sink_is_what_the_environment_names(mlflow_uri, tmp_path, monkeypatch):
    with sink_for("straight") as sink:
        sink.start({"a": "1"}, {})
        sink.figures(0, {"loss": 1.0})
    monkeypatch.setenv("VOCO_SPOOL", str(tmp_path / "spool"))
    with pytest.raises(ZeroDivisionError), sink_for("later"):
        raise ZeroDivisionError
    (run,) = runs(mlflow_uri)
    assert (run.info.run_name, run.info.status, run.data.metrics) == ("straight", "FINISHED", {"loss": 1.0})
    replay(tmp_path / "spool", mlflow_uri, None)
    monkeypatch.delenv("VOCO_SPOOL")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with sink_for("nowhere") as sink:
        sink.figures(0, {"loss": 1.0})
    assert len(runs(mlflow_uri)) == 1  # the spool held no start
