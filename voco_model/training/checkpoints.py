"""A folder of checkpoints: each appears when it is whole, is sealed with digests, and goes when it is not needed.

checkpoints/
  step-000100/   state.json and what else was written, seal.json with every file's sha256
  step-000200/
"""

import hashlib
import json
import logging
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from voco_model.errors import VocoError

STATE, SEAL, LOCK = "state.json", "seal.json", ".lock"
TEMPORARY = ".tmp"
_NAME = re.compile(r"step-(\d{6,})")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A folder that was whole when it got its name."""

    path: Path

    @property
    def step(self) -> int:
        """Optimiser steps that led to it."""
        return int(self.path.name.removeprefix("step-"))

    def state(self) -> dict[str, Any]:
        """What `state.json` holds."""
        return json.loads((self.path / STATE).read_text(encoding="utf-8"))

    @property
    def score(self) -> float:
        """The loss that it was judged by; infinite where there was none."""
        try:
            return float(self.state()["score"])
        except (OSError, ValueError, TypeError, KeyError):
            return math.inf

    def damage(self) -> str | None:
        """What differs from the seal, or nothing. Reads every byte."""
        try:
            sealed = json.loads((self.path / SEAL).read_text(encoding="utf-8"))
            there = {path.name for path in self.path.iterdir()} - {SEAL}
            if differing := sorted(sealed.keys() ^ there):
                return f"{differing[0]} is {'missing' if differing[0] in sealed else 'not sealed'}"
            for name, digest in sealed.items():
                if _digest(self.path / name) != digest:
                    return f"{name} is not what was written"
        except FileNotFoundError:
            return f"{SEAL} is missing"
        except (OSError, ValueError, AttributeError) as error:
            return f"{SEAL} or what it names cannot be read ({error})"
        return None


class Checkpoints:
    """The checkpoints of one run: the last `keep` of them, and the one with the lowest score."""

    def __init__(self, path: Path, keep: int = 2) -> None:
        self.path, self.keep = path, keep

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run; what killed runs left half-written is removed."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(self.path / LOCK).acquire(timeout=0)
        except Timeout:
            raise VocoError(f"{self.path}: another run writes here; wait for it, or give another out") from None
        with lock:
            for leftover in self.path.glob(f"*{TEMPORARY}"):
                shutil.rmtree(leftover)
            yield

    def all(self) -> list[Checkpoint]:
        """In order of their steps, unchecked."""
        found = (Checkpoint(path) for path in self.path.glob("step-*") if _NAME.fullmatch(path.name))
        return sorted(found, key=lambda one: one.step)

    def newest(self) -> Checkpoint | None:
        """The last one that is as it was written; those after it are named in a warning."""
        for checkpoint in reversed(self.all()):
            if (damage := checkpoint.damage()) is None:
                return checkpoint
            log.warning("%s: %s; the checkpoint before it is used", checkpoint.path, damage)
        return None

    def best(self) -> Checkpoint | None:
        """The one with the lowest score, the later of two equal ones."""
        return min(self.all(), key=_rank, default=None)

    @contextmanager
    def writing(self, step: int) -> Iterator[Path]:
        """The temporary folder of a step, which any rank may write into; a full disk is one line of error."""
        folder = self._temporary(step)
        try:
            folder.mkdir(exist_ok=True)  # by the first rank to come
            yield folder
        except (OSError, SafetensorError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise VocoError(
                f"{self.path}: the checkpoint of step {step} cannot be written ({reason}); free space or lower"
                f" saving.keep, then run again: {self.way_on()}"
            ) from error

    def abandon(self, step: int) -> None:
        """Free what was written of a checkpoint that will not be finished."""
        shutil.rmtree(self._temporary(step), ignore_errors=True)

    def way_on(self) -> str:
        """What the same command would do, in words."""
        last = self.all()[-1:]
        return f"it goes on from step {last[0].step}" if last else "it begins anew, as nothing was saved yet"

    def finish(self, step: int) -> Checkpoint:
        """Seal what was written for a step, give it its name, and only then let go of what is not kept."""
        final = self.path / _name(step)
        with self.writing(step) as folder:
            seal = {path.name: _digest(path) for path in sorted(folder.iterdir())}
            (folder / SEAL).write_text(json.dumps(seal, separators=(",", ":")), encoding="utf-8")
            for path in (*folder.iterdir(), folder):
                if path != folder:
                    shutil.copymode(folder / SEAL, path)  # safetensors lets nobody else read what it writes
                _to_disk(path)
            self._discard(Checkpoint(final))  # a damaged one, which this run has made again
            folder.rename(final)
            _to_disk(self.path)
        self._prune(step)
        return Checkpoint(final)

    def _prune(self, step: int) -> None:
        """What comes after the step just written was damaged: no run goes back behind a good one."""
        found = self.all()
        good = [one for one in found if one.step <= step]
        kept = [*good[-self.keep :], min(good, key=_rank)]
        for checkpoint in found:
            if checkpoint not in kept:
                self._discard(checkpoint)

    def _discard(self, checkpoint: Checkpoint) -> None:
        """Out of sight first: what a kill leaves half-removed is not taken for a damaged checkpoint."""
        if checkpoint.path.exists():
            gone = self.path / f".{checkpoint.path.name}.gone{TEMPORARY}"
            checkpoint.path.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def _temporary(self, step: int) -> Path:
        return self.path / f".{_name(step)}{TEMPORARY}"


def _rank(checkpoint: Checkpoint) -> tuple[float, int]:
    """The lowest score first, then the latest."""
    return checkpoint.score, -checkpoint.step


def _name(step: int) -> str:
    return f"step-{step:06}"


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    """Not only written, but there after a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
