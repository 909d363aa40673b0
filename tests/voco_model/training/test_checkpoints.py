"""A folder of checkpoints: whatever happens while one is written, there is always a whole one to go on from."""

import errno
import json
import logging
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voco_model.errors import VocoError
from voco_model.training import checkpoints as module
from voco_model.training.checkpoints import Checkpoint, Checkpoints

FILES = {"model.safetensors": bytes(range(256)), "optimiser.safetensors": b"moments" * 30}


def save(folder: Checkpoints, step: int, score: float | None = None) -> Checkpoint:
    with folder.writing(step) as path:
        for name, content in FILES.items():
            (path / name).write_bytes(content)
        (path / "state.json").write_text(json.dumps({"score": score, "step": step}))
    return folder.finish(step)


def steps(folder: Checkpoints) -> list[int]:
    return [one.step for one in folder.all()]


@pytest.fixture
def folder(tmp_path) -> Checkpoints:
    made = Checkpoints(tmp_path / "checkpoints", keep=2)
    with made.locked():
        yield made


def test_the_last_ones_and_the_best_are_kept(folder):
    for step, score in ((10, 3.0), (20, 1.0), (30, 2.0), (40, None), (50, 1.5)):
        save(folder, step, score)
    assert steps(folder) == [20, 40, 50]
    assert folder.best().step == 20
    assert folder.newest().step == 50


def test_without_scores_only_the_last_ones_are_kept(folder):
    for step in (10, 20, 30):
        save(folder, step)
    assert steps(folder) == [20, 30]


def test_the_old_ones_go_only_when_the_new_one_is_whole(folder, monkeypatch):
    for step in (10, 20):
        save(folder, step)
    seen = []
    prune = folder._prune
    monkeypatch.setattr(
        folder, "_prune", lambda step: (seen.append((steps(folder), folder.newest().step)), prune(step))
    )
    save(folder, 30)
    assert seen == [([10, 20, 30], 30)]


@pytest.mark.parametrize("name", [*FILES, "state.json", "seal.json"])
@pytest.mark.parametrize("harm", ["truncated", "gone", "emptied"])
def test_a_damaged_one_is_named_and_the_one_before_is_used(folder, caplog, name, harm):
    save(folder, 10)
    path = save(folder, 20).path / name
    if harm == "gone":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size - 1 if harm == "truncated" else 0)
    with caplog.at_level(logging.WARNING):
        assert folder.newest().step == 10
    assert "step-000020" in caplog.text
    assert name in caplog.text
    assert len(caplog.records) == 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from([*FILES, "state.json", "seal.json"]), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(folder, data, name, bit):
    checkpoint = folder.all()[0] if folder.all() else save(folder, 10)
    path = checkpoint.path / name
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
    assert checkpoint.damage() is not None
    path.write_bytes(whole)
    assert checkpoint.damage() is None


def test_a_file_that_nobody_sealed_is_noticed(folder):
    checkpoint = save(folder, 10)
    (checkpoint.path / "more.safetensors").write_bytes(b"")
    assert "more.safetensors is not sealed" in checkpoint.damage()


def test_nothing_good_is_nothing_to_go_on_from(folder):
    assert folder.newest() is None
    (save(folder, 10).path / "seal.json").unlink()
    assert folder.newest() is None


def test_a_damaged_one_is_replaced_and_does_not_count_as_kept(folder):
    for step in (10, 20, 30):
        save(folder, step)
    (folder.path / "step-000030/seal.json").unlink()
    assert folder.newest().step == 20
    save(folder, 25)  # as on SIGTERM
    assert steps(folder) == [20, 25]
    (folder.path / "step-000025/seal.json").unlink()
    save(folder, 25)
    assert folder.newest().step == 25


class Killed(BaseException):
    """Nothing of the project catches it, like a process's end."""


def run_until(count: int, monkeypatch, folder: Checkpoints) -> bool:
    """Save a checkpoint, killed before the `count`-th change of the disk; whether it was."""
    left = [count]

    def counted(real):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "fsync", counted(os.fsync))
        patched.setattr(module.Path, "rename", counted(module.Path.rename))
        patched.setattr(module.Path, "mkdir", counted(module.Path.mkdir))
        patched.setattr(module.Path, "write_text", counted(module.Path.write_text))
        patched.setattr(module.shutil, "rmtree", counted(shutil.rmtree))
        try:
            save(folder, 30)
        except Killed:
            return True
    return False


def test_killed_at_any_moment_there_is_a_whole_one_and_no_rest(tmp_path, monkeypatch, caplog):
    for count in range(100):
        folder = Checkpoints(tmp_path / str(count), keep=2)
        with folder.locked():
            save(folder, 10)
            save(folder, 20)
            killed = run_until(count, monkeypatch, folder)
        with folder.locked():
            assert folder.newest().step in (20, 30)
            assert all(one.damage() is None for one in folder.all())
            assert not list(folder.path.glob(".step*"))
            save(folder, 30)
            assert steps(folder) == [20, 30]
        if not killed:
            break
    assert 8 < count < 99  # every moment was tried
    assert not caplog.records


def test_a_second_run_is_refused(folder):
    with pytest.raises(VocoError, match="another run writes here"), Checkpoints(folder.path).locked():
        pass


def test_the_lock_goes_with_the_run(tmp_path):
    for _ in range(2):
        with Checkpoints(tmp_path / "checkpoints").locked():
            pass


def test_a_full_disk_is_one_line_and_leaves_the_earlier_ones(folder):
    save(folder, 10)

    def write():
        with folder.writing(20) as path:
            (path / "model.safetensors").write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(VocoError) as raised:
        write()
    folder.abandon(20)
    assert "step 20 cannot be written (No space left on device)" in str(raised.value)
    assert "goes on from step 10" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert folder.newest().step == 10
    assert not list(folder.path.glob(".step*"))


def test_others_may_read_what_may_be_read(folder):
    with folder.writing(10) as path:
        (path / "state.json").write_text("{}")
        (path / "model.safetensors").touch(mode=0o600)
    path = folder.finish(10).path
    assert (path / "model.safetensors").stat().st_mode == (path / "seal.json").stat().st_mode
