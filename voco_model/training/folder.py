"""A run's folder: the recipe, the log, the result, and the model, which appears when it is whole."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from voco_model.errors import VocoError
from voco_model.files import whole_file
from voco_model.training.progress import Report
from voco_model.training.recipe import Recipe

RECIPE, LOG, RESULT = "recipe.yaml", "log.jsonl", "result.json"
MODEL, CHECKPOINTS = "model", "checkpoints"
NOT_DECIDING: dict[str, Any] = {
    "out": True,
    "saving": True,
    "expected": True,
    "data": {"workers", "micro_batch"},
    "device": {"gpu", "gpus_per_node", "nodes", "zero", "offload", "gradient_checkpointing"},
}
"""Fields that may differ between two runs of one recipe: where and on what it runs, and what is kept."""


def deciding(recipe: Recipe) -> dict[str, Any]:
    """All of a recipe that decides which model comes out."""
    return recipe.model_dump(mode="json", exclude=NOT_DECIDING)


def recipe_digest(recipe: Recipe) -> str:
    """The name of what a recipe decides, wherever data and weights lie: those have digests of their own."""
    values = deciding(recipe)
    values["data"]["folders"] = [Path(folder).name for folder in recipe.data.folders]
    values["start"] |= dict.fromkeys(("checkpoint", "vision", "language"))
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def first_difference(ours: dict[str, Any], theirs: dict[str, Any], at: str = "") -> str | None:
    """The first field in which two recipes differ, with both values."""
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key), theirs.get(key)
        if mine == other:
            continue
        if isinstance(mine, dict) and isinstance(other, dict):
            return first_difference(mine, other, f"{at}{key}.")
        return f"{at}{key} is {mine}, there it was {other}"
    return None


class RunFolder:
    """What one run leaves behind."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.path = recipe, recipe.out
        self.model, self.checkpoints = self.path / MODEL, self.path / CHECKPOINTS

    def check(self, resume: bool) -> None:
        """Refuse a folder that holds something else, or a run that is not to be gone on with."""
        written = self.path / RECIPE
        if not self.path.exists() or (self.path.is_dir() and not self._visible()):
            return
        if not written.is_file():
            raise VocoError(f"{self.path}: exists and is not a run's folder; give another out")
        if not resume:
            raise VocoError(f"{self.path}: there is a run already; go on with it (resume), or give another out")
        theirs = Recipe.model_validate(yaml.safe_load(written.read_text(encoding="utf-8")))
        if difference := first_difference(deciding(self.recipe), deciding(theirs)):
            raise VocoError(f"{self.path}: holds a run of another recipe ({difference}); give another out")

    def _visible(self) -> list[Path]:
        """All but half-written files, which a killed run leaves."""
        return [path for path in self.path.iterdir() if not path.name.startswith(".")]

    def tidy(self) -> None:
        """Remove what killed runs left half-written; no other run may be at work here."""
        for path in self.path.glob(".*.tmp"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def begin(self, needed: int) -> None:
        """Make the folder this recipe's, where `needed` bytes fit."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._check_space(needed)
        with whole_file(self.path / RECIPE) as file:
            file.write_text(yaml.safe_dump(self.recipe.model_dump(mode="json"), sort_keys=False), encoding="utf-8")

    def _check_space(self, needed: int) -> None:
        """Refuse a run whose checkpoints would not fit."""
        free = shutil.disk_usage(self.path).free
        if free < needed:
            raise VocoError(
                f"{self.path}: {free / 2**30:.1f} GiB are free, the model and its checkpoints take about"
                f" {needed / 2**30:.1f} GiB; free some, lower saving.keep, or give another out"
            )

    def result(self) -> dict[str, Any] | None:
        """What a finished run of this recipe reported."""
        path = self.path / RESULT
        done = path.is_file() and self.model.is_dir()
        return json.loads(path.read_text(encoding="utf-8")) if done else None

    def save_result(self, result: dict[str, Any]) -> None:
        """Written last: with it, the run is finished."""
        with whole_file(self.path / RESULT) as file:
            file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    def log(self, report: Report) -> None:
        """Keep a report."""
        with open(self.path / LOG, "a", encoding="utf-8") as file:
            file.write(json.dumps(report) + "\n")

    def forget_after(self, step: int) -> None:
        """Take out of the logs what will happen again, as a run goes on from an earlier step."""
        for path in (self.path / LOG, self.path / "bad_batches.jsonl"):
            if path.is_file():
                lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
                kept = [one for one in lines if one.endswith("\n") and json.loads(one)["step"] <= step]
                with whole_file(path) as file:
                    file.write_text("".join(kept), encoding="utf-8")

    def save_model(self, write: Callable[[Path], str]) -> str:
        """Let `write` fill a folder beside the model's place, and put it there when it is whole; its digest."""
        with tempfile.TemporaryDirectory(prefix=f".{MODEL}.", suffix=".tmp", dir=self.path) as beside:
            whole = Path(beside) / "whole"
            try:
                digest = write(whole)
            except OSError as error:
                raise VocoError(
                    f"{self.model}: cannot be written ({error.strerror or error}); free space"
                ) from error
            if self.model.exists():
                self.model.rename(Path(beside) / "old")
            whole.rename(self.model)
        return digest
