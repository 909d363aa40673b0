"""The training steps: in this process and by torchrun, figures on their way to MLflow, mistakes beforehand."""

import json

import pytest

from components.instruct import instruct
from components.training import TrainConfig, _send_lines, run_stage
from tests.components.ingest_worlds import picture_set
from voco_model.errors import VocoError
from voco_model.training.recipe import Recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A small data set of pictures with a question each."""
    return picture_set(tmp_path_factory.mktemp("data"))


def recipe(data, out, **more) -> Recipe:
    base = {
        "stage": "instruct",
        "out": out,
        "steps": 4,
        "start": {"preset": "tiny"},
        "data": {"folders": [data], "batch_size": 4, "workers": 0},
        "optimiser": {"lr": 1e-3},
        "saving": {"report_every": 1},
    }
    return Recipe.model_validate(base | more)


def test_a_step_ends_with_its_result_and_again_at_once(data, tmp_path, capsys):
    config = TrainConfig(recipe(data, tmp_path / "run"))
    outcome = instruct(config)
    assert outcome.code == 0
    assert outcome.result["steps"] == 4
    assert (tmp_path / "run" / "model" / "config.json").is_file()
    assert "instruct 4/4" in capsys.readouterr().err
    assert instruct(config).result["digest"] == outcome.result["digest"]


def test_mistakes_before_the_start(data, tmp_path):
    on_gpus = {"gpu": "H100-80GB", "gpus_per_node": 4}
    with pytest.raises(VocoError, match="device wants 4 H100-80GB on a node, this machine has"):
        instruct(TrainConfig(recipe(data, tmp_path / "run", device=on_gpus)))
    with pytest.raises(VocoError, match="of the stage instruct, not align; run it with `voco instruct`"):
        run_stage("align", TrainConfig(recipe(data, tmp_path / "run")))
    with pytest.raises(VocoError, match="absent"):
        instruct(TrainConfig(recipe(tmp_path / "absent", tmp_path / "run")))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").touch()
    for processes in (1, 2):
        asked = recipe(data, tmp_path / "old", device={"gpus_per_node": processes})
        with pytest.raises(VocoError, match=str(tmp_path / "old")):
            instruct(TrainConfig(asked, resume=False))


def test_whole_lines_of_a_growing_log_are_sent_once(tmp_path):
    sent, log = [], tmp_path / "log.jsonl"
    at = _send_lines(log, 0, lambda step, figures: sent.append((step, figures)))
    assert at == 0
    first, second = ({"stage": "align", "step": n, "loss": 1 / n} for n in (1, 2))
    log.write_text(json.dumps(first) + "\n" + json.dumps(second)[:9])
    at = _send_lines(log, at, lambda step, figures: sent.append((step, figures)))
    assert sent == [(1, {"loss": 1.0})]
    log.write_text(json.dumps(first) + "\n" + json.dumps(second) + "\n")
    _send_lines(log, at, lambda step, figures: sent.append((step, figures)))
    assert sent == [(1, {"loss": 1.0}), (2, {"loss": 0.5})]


@pytest.mark.integration
@pytest.mark.parametrize("processes", [1, 2])
def test_every_report_reaches_mlflow_with_its_step(data, tmp_path, monkeypatch, processes):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    asked = recipe(data, tmp_path / "run", device={"gpus_per_node": processes})
    assert instruct(TrainConfig(asked)).code == 0
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("training").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["stage"] == "instruct"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [metric.step for metric in history] == [1, 2, 3, 4]


@pytest.mark.integration
def test_a_mistake_of_the_ranks_is_the_exit_status(data, tmp_path, capfd):
    asked = recipe(tmp_path / "absent", tmp_path / "run", device={"gpus_per_node": 2})
    outcome = instruct(TrainConfig(asked))
    assert (outcome.code, outcome.result) == (1, None)
    error = capfd.readouterr().err
    assert error.count("error: ") == 1
    assert "absent: no manifest.parquet there" in error
    assert "Traceback" not in error
