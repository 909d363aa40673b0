"""The entry point under ZeRO: the losses of one process, on pictures and text mixed, and the model at the end."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.voco_model.data.small_sets import Item, png, write
from voco_model.model import VocoForConditionalGeneration
from voco_model.training.recipe import Recipe
from voco_model.training.run import train

ROOT = Path(__file__).parents[3]
LIMIT = 240
STEPS = 20
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures and text alone: some steps show a picture to one rank only."""
    answers = ("yes", "no", "a red square", "three")
    items = [
        Item(kind="text" if n % 3 == 0 else "image", media=None if n % 3 == 0 else png(n), answer=answers[n % 4])
        for n in range(24)
    ]
    return write(tmp_path_factory.mktemp("data") / "mixed", items)


def recipe(data: Path, out: Path, **device) -> dict:
    return {
        "stage": "instruct",
        "out": str(out),
        "steps": STEPS,
        "start": {"preset": "tiny"},
        "data": {"folders": [str(data)], "batch_size": 4, "micro_batch": 1, "workers": 0},
        "optimiser": {"lr": 1e-3, "lr_of": {"projector": 2e-3}, "weight_decay": 0.01},
        "saving": {"every": 10, "report_every": 1},
        "device": device,
    }


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]


def launch(given: dict, ranks: int) -> None:
    """One run by torchrun."""
    path = Path(given["out"]).with_suffix(".yaml")
    path.write_text(yaml.safe_dump(given))
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [*run, "-m", "voco_model.training", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory):
    """One process without DeepSpeed."""
    out = tmp_path_factory.mktemp("plain") / "run"
    train(Recipe.model_validate(recipe(data, out)))
    return losses(out)


def check_model(out: Path) -> None:
    """The model in the folder is the one that the run says it left."""
    result = json.loads((out / "result.json").read_text())
    history = json.loads((out / "model/training.json").read_text())["stages"]
    model = VocoForConditionalGeneration.from_pretrained(out / "model")
    assert model.digest() == result["digest"] == history[-1]["model"]


@pytest.mark.parametrize("zero", [2, 3])
def test_losses_are_those_of_one_process_and_again_after_a_move(data, plain, tmp_path, zero):
    out = tmp_path / "run"
    launch(recipe(data, out, zero=zero, gpus_per_node=2), 2)
    assert len(plain) == STEPS
    assert plain[-1] < plain[0] - 1  # it learns
    assert losses(out) == pytest.approx(plain, abs=1e-5)
    check_model(out)

    # As if it had been stopped before its last checkpoint; then on one process, and the other stage.
    for folder in ("model", "checkpoints/step-000020"):
        shutil.rmtree(out / folder)
    (out / "result.json").unlink()
    launch(recipe(data, out, zero={2: 3, 3: 2}[zero]), 1)
    assert losses(out) == pytest.approx(plain, abs=1e-5)
    check_model(out)
