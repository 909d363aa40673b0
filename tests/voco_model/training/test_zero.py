"""Runs under ZeRO are the run of one process: losses, checkpoints at any number of ranks, the model at the end."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.voco_model import worlds
from tests.voco_model.training.zero_run import Plan, run
from voco_model.model import VocoForConditionalGeneration

ROOT = Path(__file__).parents[3]
LIMIT = 240
pytestmark = pytest.mark.integration


def launch(folder: Path, ranks: int, **plan) -> dict:
    """A run of several ranks in its own processes; what it saw."""
    folder.mkdir(exist_ok=True)
    path = folder / "plan.json"
    path.write_text(json.dumps(asdict(Plan(out=str(folder), **plan))))
    alone = [sys.executable, "-m"]
    several = [*alone, "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", "-m"]
    command = [*(several if ranks > 1 else alone), "tests.voco_model.training.zero_run", str(path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "seen.json").read_text())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {n: t for path in (folder / "model").glob("*.safetensors") for n, t in load_file(path).items()}


def same_curve(losses: list[float], expected: list[float]) -> None:
    assert losses == pytest.approx(expected, abs=1e-5)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """One process without DeepSpeed, and its folder."""
    folder = tmp_path_factory.mktemp("plain")
    return run(Plan(out=str(folder))), folder


@pytest.fixture(scope="module", params=[2, 3], ids=["zero-2", "zero-3"])
def two_ranks(request, tmp_path_factory):
    """The same run on two ranks, with a checkpoint half-way; its stage and folder."""
    folder = tmp_path_factory.mktemp(f"zero-{request.param}")
    seen = launch(folder, 2, stage=request.param, checkpoint_at=[10, 20], model=True, micro_batches=2)
    return request.param, seen, folder


def test_losses_are_those_of_one_process(plain, two_ranks):
    expected = plain[0]["losses"]
    assert expected[-1] < expected[0] - 1  # it learns
    same_curve(two_ranks[1]["losses"], expected)


def test_the_model_left_is_that_of_one_process(plain, two_ranks):
    _, seen, folder = two_ranks
    assert seen["difference"] <= 1e-5
    left, expected = weights(folder), weights(plain[1])
    assert left.keys() == expected.keys()
    for name, tensor in left.items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-4)
    loaded = VocoForConditionalGeneration.from_pretrained(folder / "model")
    assert loaded.digest() == seen["digest"]
    assert loaded.config.dtype == torch.float32
    assert not (set(loaded.state_dict()) ^ set(left))


def test_frozen_parts_keep_every_bit_and_others_do_not(two_ranks):
    left = weights(two_ranks[2])
    for name, tensor in worlds.model(dtype=torch.float32).state_dict().items():
        assert torch.equal(left[name], tensor) == name.startswith("vision_tower"), name


def test_goes_on_from_a_checkpoint_to_the_bit(two_ranks, tmp_path):
    stage, seen, folder = two_ranks
    more = launch(tmp_path, 2, stage=stage, resume=str(folder / "step-10"), checkpoint_at=[20], micro_batches=2)
    assert more["losses"] == seen["losses"][10:]
    shards = sorted(path.name for path in (folder / "step-20").iterdir())
    assert len(shards) == 2
    for name in shards:
        again, first = (load_file(where / "step-20" / name) for where in (tmp_path, folder))
        assert all(torch.equal(again[key], first[key]) for key in first)


@pytest.mark.parametrize("stage", [2, 3])
def test_bf16_keeps_masters_whole_and_skips_a_spoiled_step(tmp_path, stage):
    seen = launch(
        tmp_path, 2, stage=stage, precision="bf16", until=8, nan_at=3, model=True, checkpoint_at=[3, 4, 8]
    )
    assert seen["buffers"] == ["torch.float32"]  # rotary frequencies among them
    assert seen["difference"] <= 1e-2
    assert all(map(torch.isfinite, torch.tensor(seen["losses"])))
    before, skipped, last = (
        load_file(tmp_path / f"step-{n}" / "zero-00000-of-00002.safetensors") for n in (3, 4, 8)
    )
    assert {tensor.dtype for tensor in before.values()} == {torch.float32}
    assert all(torch.equal(before[key], skipped[key]) for key in before)
    assert not any(torch.equal(before[key], last[key]) for key in before if key.endswith("master"))
    assert weights(tmp_path)["projector.0.weight"].dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("ranks", "stage", "offload"), [(1, 1, "none"), (1, 2, "optimiser"), (2, 3, "all")], ids=str
)
def test_stage_1_and_offload_change_nothing(plain, tmp_path, ranks, stage, offload):
    seen = launch(tmp_path, ranks, stage=stage, offload=offload, checkpoint_at=[10], model=True)
    same_curve(seen["losses"], plain[0]["losses"])
    assert seen["difference"] <= 1e-5


@pytest.mark.parametrize("stage", [2, 3])
def test_ranks_that_see_and_ranks_that_do_not_run_together(tmp_path, stage):
    apart = launch(tmp_path / "two", 2, stage=stage, text_only=True, until=3)
    same_curve(apart["losses"], run(Plan(out=str(tmp_path / "one"), text_only=True, until=3))["losses"])


def test_activations_computed_again_change_nothing(plain, tmp_path):
    same_curve(launch(tmp_path, 2, stage=3, recompute=True)["losses"], plain[0]["losses"])
