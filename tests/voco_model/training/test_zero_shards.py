"""The state's files: any cut into runs is read into any other; damage and strange parts are said in one line."""

import itertools
from contextlib import ExitStack

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from voco_model.errors import VocoError
from voco_model.training.recipe import Recipe
from voco_model.training.zero import deepspeed_config, trainer_arguments
from voco_model.training.zero import settings as zero_settings
from voco_model.training.zero.shards import Shards
from voco_model.training.zero.slices import MASTER, MOMENTS, Slice

KEYS = (MASTER, *MOMENTS)
SIZES = {"projector.weight": 30, "language_model.norm.weight": 7}


def whole(name: str) -> dict[str, torch.Tensor]:
    """A parameter's values, all different."""
    n = SIZES[name]
    return {key: torch.arange(n) + 100.0 * at + len(name) * 1000 for at, key in enumerate(KEYS)}


def cut(points: list[int], n: int) -> list[tuple[int, int]]:
    edges = [0, *sorted({p for p in points if 0 < p < n}), n]
    return list(itertools.pairwise(edges))


def write(folder, points: list[int], world: int = 2, leave_out=()) -> None:
    """Runs dealt out to the ranks in turn."""
    files: list[dict] = [{} for _ in range(world)]
    for name, n in SIZES.items():
        for turn, (start, end) in enumerate(cut(points, n)):
            for key, value in whole(name).items() if (name, start) not in leave_out else ():
                files[turn % world][f"{name}@{start}/{key}"] = value[start:end].clone()
    for rank, tensors in enumerate(files):
        path = folder / f"zero-{rank:05d}-of-{world:05d}.safetensors"
        save_file(tensors, path, metadata={"adam_step": "12"})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 29), max_size=6), st.lists(st.integers(1, 29), max_size=6), st.integers(1, 4))
def test_any_cut_is_read_into_any_other(tmp_path_factory, written, read, world):
    folder = tmp_path_factory.mktemp("cut")
    write(folder, written, world)
    with ExitStack() as opened:
        shards = Shards.open(folder, opened)
        shards.check_names(SIZES)
        assert shards.step == 12
        for name, n in SIZES.items():
            for start, end in cut(read, n):
                part = Slice(name, start, {key: torch.full((end - start,), -1.0) for key in KEYS})
                shards.fill(part)
                for key in KEYS:
                    assert torch.equal(part.values[key], whole(name)[key][start:end])


def refusal(folder, sizes=SIZES) -> str:
    with pytest.raises(VocoError) as raised, ExitStack() as opened:
        Shards.open(folder, opened).check_names(sizes)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_rank_s_file_that_is_missing_is_named(tmp_path):
    assert "no ZeRO shards" in refusal(tmp_path)
    write(tmp_path, [10], world=3)
    (tmp_path / "zero-00001-of-00003.safetensors").unlink()
    assert "2 of 3 ZeRO shards" in refusal(tmp_path)


def test_shards_of_two_worlds_are_refused(tmp_path):
    write(tmp_path, [10], world=2)
    write(tmp_path, [10], world=1)
    assert "ZeRO shards" in refusal(tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    write(tmp_path, [10])
    (tmp_path / "zero-00001-of-00002.safetensors").write_bytes(b"\xff" * 40)
    assert "zero-00001-of-00002.safetensors: is damaged" in refusal(tmp_path)


def test_missing_elements_are_counted(tmp_path):
    write(tmp_path, [10, 20], leave_out={("projector.weight", 10)})
    assert "has 10 of 30 elements of projector.weight" in refusal(tmp_path)


def test_other_trained_parts_are_named(tmp_path):
    write(tmp_path, [10])
    assert "lacks compressor.weight" in refusal(tmp_path, SIZES | {"compressor.weight": 4})
    assert "holds language_model.norm.weight" in refusal(tmp_path, {"projector.weight": 30})


def recipe(**device) -> Recipe:
    return Recipe.model_validate(
        {
            "stage": "instruct",
            "out": "run",
            "steps": 1,
            "start": {"preset": "tiny"},
            "data": {"folders": ["none"], "batch_size": 4},
            "optimiser": {"lr": 1e-3},
            "device": device,
        }
    )


@pytest.mark.parametrize(
    ("device", "optimiser_off", "weights_off"),
    [
        ({"zero": 1}, False, False),
        ({"zero": 2, "offload": "optimiser"}, True, False),
        ({"zero": 3}, False, False),
        ({"zero": 3, "offload": "all"}, True, True),
    ],
    ids=str,
)
def test_the_configuration_says_what_is_shared_and_where_it_lies(device, optimiser_off, weights_off):
    sharing = deepspeed_config(recipe(**device))["zero_optimization"]
    assert sharing["stage"] == device["zero"]
    assert ("offload_optimizer" in sharing, "offload_param" in sharing) == (optimiser_off, weights_off)
    assert ("stage3_param_persistence_threshold" in sharing) == (device["zero"] == 3)


def test_without_zero_nothing_is_asked_of_deepspeed(monkeypatch):
    monkeypatch.setattr(zero_settings, "find_spec", lambda name: None)
    assert trainer_arguments(recipe()) == {}
    with pytest.raises(VocoError, match="DeepSpeed is not installed"):
        trainer_arguments(recipe(zero=2))
