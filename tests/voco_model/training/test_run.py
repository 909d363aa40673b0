"""Whole runs on one process: stages, frozen parts, determinism, the guard, and mistakes before the first step."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from tests.voco_model.training.small_runs import clips, pictures, recipe
from voco_model.assistant import Assistant
from voco_model.errors import VocoError
from voco_model.training.building import HISTORY, build
from voco_model.training.run import train
from voco_model.training.trainer import VocoTrainer

VARIANTS = ("voco", "avgpool", "qformer", "upper")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("pictures") / "set")


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("clips")
    return clips(scratch / "set", scratch)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory, data):
    """What align leaves, with its recipe."""
    given = recipe(tmp_path_factory.mktemp("aligned") / "run", data, stage="align", steps=3)
    return given, train(given)


def weights_of(folder) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def changed(before: dict, after: dict) -> set[str]:
    """The parts of which any weight is another."""
    return {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}


def test_alignment_changes_the_projector_and_not_one_bit_else(aligned):
    given, result = aligned
    assert changed(build(given).model.state_dict(), weights_of(result.model)) == {"projector"}


def test_instruction_leaves_the_tower_and_tells_where_it_comes_from(tmp_path, data, aligned):
    given = recipe(tmp_path / "run", data, start={"checkpoint": aligned[1].model}, data={"validation": "val"})
    result = train(given)
    moved = changed(weights_of(aligned[1].model), weights_of(result.model))
    assert moved == {"projector", "compressor", "language_model"}
    stages = json.loads((result.model / HISTORY).read_text())["stages"]
    assert [x["stage"] for x in stages] == ["align", "instruct"]
    assert stages[1]["parent"] == stages[0]["model"] == aligned[1].digest
    assert stages[1]["model"] == result.digest
    assert result.validation_loss is not None


def test_a_trained_model_answers(aligned):
    assistant = Assistant.from_pretrained(aligned[1].model)
    assert assistant.model.digest() == aligned[1].digest
    assert assistant.model.config.reading == "rule"


def test_every_report_is_logged_and_told(tmp_path, data):
    told = []
    result = train(recipe(tmp_path / "run", data, steps=3), report=told.append)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines == told
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line["mfu"] > 0 and line["tokens_per_second"] > 0 and line["loss"] > 0 for line in lines)
    assert json.loads((tmp_path / "run" / "result.json").read_text())["digest"] == result.digest


def test_the_same_recipe_gives_the_same_weights_and_another_seed_others(tmp_path, data):
    def digest(name, **changes):
        return train(recipe(tmp_path / name, data, steps=3, **changes)).digest

    assert digest("one") == digest("two", data={"workers": 1}) != digest("other", seed=1)


def test_micro_batches_add_up_to_the_whole_step(tmp_path, data):
    def losses(name, **changes):
        told = []
        train(recipe(tmp_path / name, data, data=changes), report=told.append)
        return torch.tensor([report["loss"] for report in told])

    assert torch.allclose(losses("one by one", micro_batch=1), losses("whole"), atol=1e-5, rtol=0)


def test_a_finished_run_gives_its_result_again_and_another_recipe_is_refused(tmp_path, data, aligned):
    given, result = aligned
    assert train(given) == result
    with pytest.raises(VocoError, match="there is a run already"):
        train(given, resume=False)
    with pytest.raises(
        VocoError, match=r"holds a run of another recipe \(optimiser.lr is 0.5, there it was 0.001\)"
    ):
        train(given.model_copy(update={"optimiser": given.optimiser.model_copy(update={"lr": 0.5})}))
    moved = given.saving.model_copy(update={"report_every": 7})
    assert train(given.model_copy(update={"saving": moved})) == result


def spoil(monkeypatch, *steps: int):
    """Make the loss of these steps no number."""
    plain = VocoTrainer._add

    def add(self, loss):
        bad = self.state.global_step in steps
        factor = float("nan") if bad else 1.0
        plain(self, SimpleNamespace(total=loss.total * factor, parts={}))

    monkeypatch.setattr(VocoTrainer, "_add", add)


def test_a_bad_step_changes_nothing_and_is_counted(tmp_path, data, monkeypatch):
    spoil(monkeypatch, 0, 1)
    given = recipe(tmp_path / "run", data, steps=2)
    before = build(given).model.state_dict()
    told = []
    result = train(given, report=told.append)
    assert result.skipped == 2
    assert changed(before, weights_of(result.model)) == set()
    lines = [json.loads(line) for line in (tmp_path / "run" / "bad_batches.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert all(line["ids"] and line["fault"] == "loss is nan" for line in lines)


def test_after_a_bad_step_learning_goes_on(tmp_path, data, monkeypatch):
    spoil(monkeypatch, 1)
    given = recipe(tmp_path / "run", data, steps=3)
    result = train(given)
    assert result.skipped == 1
    assert changed(build(given).model.state_dict(), weights_of(result.model)) >= {"projector", "language_model"}


def test_too_many_bad_steps_stop_the_run_and_leave_no_model(tmp_path, data, monkeypatch):
    spoil(monkeypatch, 0, 1, 2)
    with pytest.raises(VocoError, match=r"step 2: loss is nan; with it 2 steps were skipped"):
        train(recipe(tmp_path / "run", data, guard={"most": 1}))
    assert not (tmp_path / "run" / "model").exists()


def test_mistakes_are_named_before_the_first_step(tmp_path, data, moving, monkeypatch):
    wrong = [
        ({"stage": "continue_video", "data": {"n_frames": 2}}, "continue_video goes on from instruct"),
        ({"device": {"gpus_per_node": 2}}, "processes, 1 run"),
        ({"device": {"gpu": "H100-80GB"}}, "no GPU is here"),
        ({"objective": {"elastic": {1: 1, 9: 1}}}, "draws 9 VoCo tokens, the model has 1"),
        ({"data": {"folders": [tmp_path / "nothing"]}}, "give the folder that ingest wrote"),
        ({"data": {"split": "noon"}}, "no record of the split 'noon'"),
        ({"data": {"validation": "noon"}}, "no record of the split 'noon'"),
        ({"data": {"folders": [moving], "split": None}}, "give fps or n_frames"),
        ({"objective": {"distillation": {"weight": 1, "teacher": tmp_path}}}, "teacher"),
    ]
    for changes, words in wrong:
        with pytest.raises(VocoError, match=words) as caught:
            train(recipe(tmp_path / "run", data, **changes))
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()
    (tmp_path / "full").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(VocoError, match="GiB are free"):
        train(recipe(tmp_path / "full", data))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(VocoError, match="is not a run's folder"):
        train(recipe(tmp_path / "notes", data))


@pytest.mark.integration
@pytest.mark.parametrize("variant", VARIANTS)
def test_three_stages_of_every_variant(tmp_path, data, moving, variant):
    common = {"variant": variant, "saving": {"report_every": 10}}
    first = train(recipe(tmp_path / "align", data, stage="align", steps=12, **common))
    second = train(recipe(tmp_path / "instruct", data, steps=12, start={"checkpoint": first.model}, **common))
    third = train(
        recipe(
            tmp_path / "video",
            moving,
            stage="continue_video",
            start={"checkpoint": second.model},
            data={"n_frames": 2, "split": None, "batch_size": 2},
            **common,
        )
    )
    stages = json.loads((third.model / HISTORY).read_text())["stages"]
    assert [x["stage"] for x in stages] == ["align", "instruct", "continue_video"]
    assert second.loss < first.loss
    assert "tower" not in "".join(changed(weights_of(first.model), weights_of(third.model)))


@pytest.mark.integration
def test_lower_precision_and_recomputed_activations_learn_much_the_same(tmp_path, data):
    def last(name, **device):
        return train(recipe(tmp_path / name, data, steps=8, device=device)).loss

    plain = last("plain")
    assert last("again", gradient_checkpointing=True) == pytest.approx(plain, abs=1e-5)
    assert last("bf16", precision="bf16") == pytest.approx(plain, abs=0.1)
