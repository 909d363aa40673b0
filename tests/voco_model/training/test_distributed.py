"""Two processes over gloo, through the same entry point as one."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from tests.voco_model.training.small_runs import pictures, recipe

pytestmark = pytest.mark.integration
STEPS = 20


def losses(tmp_path, records, name, processes, **changes) -> list[float]:
    """A run's losses, its processes started as torchrun does."""
    given = recipe(tmp_path / name, records, steps=STEPS, device={"gpus_per_node": processes}, **changes)
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(given.model_dump(mode="json")))
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "voco_model.training", str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"instruct {STEPS}/{STEPS}" in done.stderr
    return [json.loads(line)["loss"] for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]


def test_two_processes_learn_as_one(tmp_path):
    """At an equal global batch, with batches of text alone among them, and one rank without records at the end."""
    data = pictures(tmp_path / "set")
    one = losses(tmp_path, data, "one", 1)
    two = losses(tmp_path, data, "two", 2, data={"micro_batch": 1})
    assert len(one) == len(two) == STEPS
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) < 1e-5


def test_a_mistake_is_said_once_and_ends_all(tmp_path):
    data = pictures(tmp_path / "set")
    given = recipe(tmp_path / "run", data, start={"preset": "huge"})
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(given.model_dump(mode="json")))
    command = [sys.executable, "-m", "voco_model.training", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stderr.count("error:")) == (1, 1)
    assert "unknown preset 'huge'" in done.stderr
