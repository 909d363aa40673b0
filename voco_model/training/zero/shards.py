"""The optimiser's state under ZeRO as safetensors, one file for each rank, read at any number of ranks and stage.

A file holds runs of parameters laid flat: `NAME@START/master`, `.../exp_avg`, `.../exp_avg_sq`. The files' own
headers are the index. Master weights are the trained weights: nothing else of them is kept in a checkpoint.
"""

import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from voco_model.errors import VocoError
from voco_model.files import whole_file
from voco_model.training.zero.slices import Slice, adam_state, flats_of, shape_of, slices, spread, trained

_FILE = re.compile(r"zero-(\d+)-of-(\d+)\.safetensors")
_STEP = "adam_step"


def write_state(engine: Any, folder: Path) -> None:
    """Called by all ranks, between two steps, with a folder that all of them see; each writes its own file."""
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    tensors = {
        f"{part.name}@{part.start}/{key}": value.detach().to("cpu", copy=True)
        for part in slices(engine)
        for key, value in part.values.items()
    }
    steps = {int(adam_state(engine.optimizer, flat)["step"]) for flat in flats_of(engine)}
    assert len(steps) == 1, "Adam steps on all parameters together"
    path = folder / f"zero-{rank:05d}-of-{world:05d}.safetensors"
    with whole_file(path) as temporary:
        save_file(tensors, temporary, metadata={_STEP: str(steps.pop())})


def read_state(engine: Any, folder: Path) -> None:
    """Called by all ranks: masters, moments and step counter as they were, and the model's weights by them."""
    with ExitStack() as opened:
        shards = Shards.open(folder, opened)
        shards.check_names({name: shape_of(p).numel() for name, p in trained(engine).items()})
        for part in slices(engine):
            shards.fill(part)
    for flat in flats_of(engine):
        adam_state(engine.optimizer, flat)["step"].fill_(shards.step)
    spread(engine)


@dataclass(frozen=True)
class _Run:
    """A run of elements in a file."""

    start: int
    length: int
    file: Any
    key: str


@dataclass
class Shards:
    """All ranks' files of a checkpoint."""

    folder: Path
    step: int
    runs: dict[str, list[_Run]] = field(default_factory=dict)
    """By parameter, in order of their start."""

    @classmethod
    def open(cls, folder: Path, opened: ExitStack) -> "Shards":
        files = [_open(path, opened) for path in _all_of(folder)]
        shards = cls(folder, int(files[0].metadata()[_STEP]))
        for file in files:
            for key in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
                if key.endswith("/master"):
                    name, _, start = key.removesuffix("/master").rpartition("@")
                    length = file.get_slice(key).get_shape()[0]
                    run = _Run(int(start), length, file, key.removesuffix("master"))
                    shards.runs.setdefault(name, []).append(run)
        for runs in shards.runs.values():
            runs.sort(key=lambda run: run.start)
        return shards

    def check_names(self, sizes: dict[str, int]) -> None:
        """Every parameter that learns must be there whole, and no other."""
        if differing := sorted(sizes.keys() ^ self.runs.keys()):
            which = "lacks" if differing[0] in sizes else "holds"
            raise VocoError(
                f"{self.folder}: {which} {differing[0]}, so other parts learned when it was written;"
                " resume with the recipe that it was written by"
            )
        for name, size in sizes.items():
            end = 0
            for run in self.runs[name]:
                if run.start != end:
                    break
                end += run.length
            if end != size:
                raise VocoError(
                    f"{self.folder}: has {end} of {size} elements of {name}; use an earlier checkpoint"
                )

    def fill(self, part: Slice) -> None:
        """Copy a slice's values out of the runs that it overlaps."""
        end = part.start + len(part)
        for run in self.runs[part.name]:
            low, high = max(part.start, run.start), min(end, run.start + run.length)
            for key, value in part.values.items() if low < high else ():
                piece = run.file.get_slice(run.key + key)[low - run.start : high - run.start]
                value[low - part.start : high - part.start].copy_(piece)


def _all_of(folder: Path) -> list[Path]:
    """The shards of a folder in order, one for each rank that wrote."""
    found = {path: match for path in sorted(folder.iterdir()) if (match := _FILE.fullmatch(path.name))}
    if not found:
        raise VocoError(f"{folder}: holds no ZeRO shards; was it written with device.zero 0?")
    worlds = {int(match[2]) for match in found.values()}
    missing = set(range(max(worlds))) - {int(match[1]) for match in found.values()}
    if len(worlds) > 1 or missing:
        raise VocoError(
            f"{folder}: has {len(found)} of {max(worlds)} ZeRO shards; use an earlier checkpoint, and write to a"
            " folder that all nodes share"
        )
    return list(found)


def _open(path: Path, opened: ExitStack) -> Any:
    try:
        return opened.enter_context(safe_open(path, framework="pt"))
    except SafetensorError as error:
        raise VocoError(f"{path}: is damaged ({error}); use an earlier checkpoint") from error
