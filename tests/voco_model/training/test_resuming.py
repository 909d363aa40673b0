"""Runs that are killed, stopped and moved: what comes out is what would have come out, to the bit."""

import json
import os
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.voco_model.training.forked import data_set, losses, recipe, result, runs
from voco_model.training.checkpoints import Checkpoints
from voco_model.training.preemption import PREEMPTED

STEPS = 12
HARD = {"data__micro_batch": 2, "data__workers": 1, "objective__elastic": {1: 1, 4: 1}, "optimiser__kind": "muon"}
"""Accumulation, workers, a number of tokens drawn for each step, and two ways of moving weights."""


@pytest.fixture(scope="module")
def server():
    with runs() as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return data_set(tmp_path_factory.mktemp("set") / "data")


@pytest.fixture(scope="module")
def undisturbed(server, data, tmp_path_factory) -> dict:
    """A run with everything that could go on otherwise: dropout, accumulation, workers, elastic N."""
    given = recipe(tmp_path_factory.mktemp("whole") / "run", data, steps=STEPS, **HARD)
    server.run(given, dropout=True)
    return given


@pytest.fixture(scope="module")
def undisturbed_pair(server, data, tmp_path_factory) -> dict:
    """The same in two processes."""
    given = recipe(tmp_path_factory.mktemp("pair") / "run", data, steps=STEPS)
    server.run(given, ranks=2, dropout=True)
    return given


def seals(given: dict) -> dict:
    """The digests of the last checkpoint's tensors: weights, optimiser, random numbers."""
    last = Checkpoints(Path(given["out"]) / "checkpoints").newest()
    sealed = json.loads((last.path / "seal.json").read_text())
    return {"step": last.step} | {name: digest for name, digest in sealed.items() if name != "state.json"}


def same(given: dict, other: dict) -> None:
    """Model, last checkpoint, and what was said of every step."""
    assert result(given)["digest"] == result(other)["digest"]
    assert seals(given) == seals(other)
    assert losses(given) == losses(other)
    assert result(given)["loss"] == result(other)["loss"]


def wait_for(condition, run: int, seconds: float = 100) -> None:
    """Until it is true, or the process has ended."""
    until = time.monotonic() + seconds
    while not condition() and Path(f"/proc/{run}").exists():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.0003)


def saves(given: dict) -> bool:
    """Whether a checkpoint is being written."""
    return any((Path(given["out"]) / "checkpoints").glob(".step-*.tmp"))


def waits(server) -> bool:
    """Whether the run has come to the step that it was to wait after."""
    return "waits" in server.said.read_text()


def send(run: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(run, number)


def strike(run: int, given: dict, chance: random.Random, while_saving: bool) -> None:
    """Kill it at a random moment after its next steps, or while it writes its next checkpoint or the one after."""
    for _ in range(chance.randint(1, 2) if while_saving else 1):
        wait_for(lambda: not saves(given), run)
        wait_for(lambda: saves(given), run)
    time.sleep(chance.uniform(0, 0.05) if while_saving else chance.uniform(0, 1.5))
    send(run, signal.SIGKILL)


def ended_runs(server, make, kills: int, chance: random.Random) -> tuple[list[dict], set[int]]:
    """Runs killed so often in all and started again until they ended; the steps that they went on from."""
    ended: list[dict] = []
    done, resumed = 0, set()
    while done < kills:
        given = make(len(ended))
        while not (Path(given["out"]) / "result.json").exists():
            if last := Checkpoints(Path(given["out"]) / "checkpoints").newest():
                resumed.add(last.step)
            (run,) = server.start(given, dropout=True)
            if done < kills:
                strike(run, given, chance, while_saving=bool(done % 2))
            (status,) = server.wait()
            assert status in (0, -signal.SIGKILL), server.said.read_text()
            done += status != 0
        ended.append(given)
    return ended, resumed


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.integration)])
def test_killed_at_random_moments_it_gives_the_same(server, data, undisturbed, tmp_path, kills):
    def make(number: int) -> dict:
        return recipe(tmp_path / f"run-{number}", data, steps=STEPS, **HARD)

    ended, resumed = ended_runs(server, make, kills, random.Random(kills))
    assert len(resumed) > 1  # else nothing was shown but that a run can begin anew
    for given in ended:
        same(given, undisturbed)
        assert not list(Path(given["out"]).rglob("*.tmp"))


def test_sigterm_saves_the_step_and_says_run_again(server, data, undisturbed, tmp_path):
    given = recipe(tmp_path / "run", data, steps=STEPS, **HARD)
    (run,) = server.start(given, dropout=True, until=5)
    wait_for(lambda: waits(server), run)
    os.killpg(run, signal.SIGTERM)  # its workers, too
    os.killpg(run, signal.SIGTERM)
    assert server.wait() == [PREEMPTED]
    assert f"step 5 of {STEPS} is saved; run again" in server.said.read_text()
    assert Checkpoints(Path(given["out"]) / "checkpoints").newest().step == 5
    server.run(given, dropout=True)
    same(given, undisturbed)


def test_sigterm_before_the_first_step_says_run_again_at_once(server, data, tmp_path):
    given = recipe(tmp_path / "run", data)
    (run,) = server.start(given, builds_slowly=True)
    wait_for(lambda: waits(server), run)
    send(run, signal.SIGTERM)
    assert server.wait() == [PREEMPTED]
    assert "run again" in server.said.read_text()


@pytest.mark.integration
def test_ctrl_c_ends_at_once_and_says_how_to_go_on(server, data, undisturbed, tmp_path):
    given = recipe(tmp_path / "run", data, steps=STEPS, **HARD)
    (run,) = server.start(given, dropout=True, until=5)
    wait_for(lambda: waits(server), run)
    send(run, signal.SIGINT)
    assert server.wait() == [130]
    assert "run again: it goes on from step 4" in server.said.read_text()
    assert Checkpoints(Path(given["out"]) / "checkpoints").newest().step == 4
    server.run(given, dropout=True)
    same(given, undisturbed)


@pytest.mark.integration
def test_two_processes_stop_after_the_same_step_and_go_on(server, data, undisturbed_pair, tmp_path):
    given = recipe(tmp_path / "run", data, steps=STEPS)
    first, second = server.start(given, ranks=2, dropout=True, until=5)
    wait_for(lambda: server.said.read_text().count("waits") == 2, first)
    send(second, signal.SIGTERM)  # this one alone is told
    send(first, signal.SIGUSR1)
    assert server.wait() == [PREEMPTED, PREEMPTED]
    assert Checkpoints(Path(given["out"]) / "checkpoints").newest().step == 5
    server.run(given, ranks=2, dropout=True)
    same(given, undisturbed_pair)


@pytest.mark.integration
@pytest.mark.parametrize("before", [1, 2])
def test_at_another_number_of_processes_it_learns_the_same(server, data, tmp_path, before):
    whole, moved = (recipe(tmp_path / name, data, steps=STEPS, data__micro_batch=2) for name in ("whole", "moved"))
    server.run(whole, ranks=1)
    runs = server.start(moved, ranks=before, until=7)
    wait_for(lambda: server.said.read_text().count("waits") == before, runs[0])
    for run in runs:
        send(run, signal.SIGTERM)
    assert server.wait() == [PREEMPTED] * before
    after = 3 - before
    server.run(moved, ranks=after)
    assert f"was written by {before} processes, here are {after}" in server.said.read_text()
    assert losses(moved) == pytest.approx(losses(whole), abs=1e-5)


@pytest.mark.integration
def test_a_damaged_last_checkpoint_is_named_and_the_one_before_is_used(server, data, undisturbed, tmp_path):
    given = stopped(server, data, tmp_path, 7)
    path = tmp_path / "run/checkpoints/step-000007/optimiser.safetensors"
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    server.run(given, dropout=True)
    assert "step-000007: optimiser.safetensors is not what was written" in server.said.read_text()
    same(given, undisturbed)


def stopped(server, data: Path, folder: Path, step: int, **changed) -> dict:
    """A run that SIGTERM has stopped after a step."""
    given = recipe(folder / "run", data, steps=STEPS, **HARD | changed)
    (run,) = server.start(given, dropout=True, until=step)
    wait_for(lambda: waits(server), run)
    send(run, signal.SIGTERM)
    assert server.wait() == [PREEMPTED]
    return given


@pytest.mark.integration
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(server, data, undisturbed, tmp_path):
    given = stopped(server, data, tmp_path, 3)
    server.start(given, dropout=True, file_limit=700_000)  # the weights are larger
    assert server.wait() == [1]
    said = [line for line in server.said.read_text().splitlines() if line.startswith("error")]
    assert len(said) == 1
    assert "the checkpoint of step 4 cannot be written (" in said[0]
    assert "goes on from step 3" in said[0]
    server.run(given, dropout=True)
    same(given, undisturbed)


def test_a_checkpoint_of_another_recipe_is_refused(server, data, tmp_path):
    stopped(server, data, tmp_path, 3)
    for other in ({"seed": 1}, {"optimiser__lr": 2e-3}, {"data__questions_per_image": 2}):
        given = recipe(tmp_path / next(iter(other)), data, steps=STEPS, **HARD | other)
        out = Path(given["out"])
        shutil.copytree(tmp_path / "run/checkpoints", out / "checkpoints")
        (out / "recipe.yaml").write_text(yaml.safe_dump(given))
        refused(server, given, f"is a checkpoint of another run (recipe.{next(iter(other)).replace('__', '.')} is")


@pytest.mark.integration
def test_another_start_model_under_the_same_name_is_refused(server, data, tmp_path):
    for seed in (0, 1):
        server.run(recipe(tmp_path / f"start-{seed}", data, steps=1, seed=seed))
    shutil.copytree(tmp_path / "start-0/model", tmp_path / "start")
    given = stopped(server, data, tmp_path, 3, start={"checkpoint": str(tmp_path / "start")})
    shutil.copy(tmp_path / "start-1/model/model.safetensors", tmp_path / "start/model.safetensors")
    refused(server, given, "start_model")


def refused(server, given: dict, why: str) -> None:
    """The run ends with one line before its first step."""
    server.start(given, dropout=True)
    assert server.wait() == [1]
    said = [line for line in server.said.read_text().splitlines() if line.startswith("error")]
    assert len(said) == 1
    assert why in said[0]
    assert not (Path(given["out"]) / "log.jsonl").exists() or len(losses(given)) == 3


def test_two_runs_in_one_folder_are_refused(server, data, tmp_path):
    given = recipe(tmp_path / "run", data, steps=STEPS)
    with Checkpoints(tmp_path / "run/checkpoints").locked():
        (tmp_path / "run/recipe.yaml").write_text(yaml.safe_dump(given))
        server.start(given)
        assert server.wait() == [1]
    assert "another run writes here" in server.said.read_text()
