"""What a recipe reads, put where every node sees it: on the volume that step and nodes share."""

import shutil
import tempfile
from pathlib import Path

from components.stepping.digests import content_of
from voco_model.errors import VocoError
from voco_model.training.recipe import Recipe

INPUTS = "inputs"


def staged(recipe: Recipe, work: Path) -> Recipe:
    """The recipe with every folder it reads below `work`; those elsewhere are copied there, once, by content."""
    if not recipe.out.is_absolute() or work not in recipe.out.parents:
        raise VocoError(
            f"out is {recipe.out}, which the nodes do not share; it must lie below {work}:"
            " set VOCO_WORK to a folder there"
        )
    start, distillation = recipe.start, recipe.objective.distillation
    places = {name: getattr(start, name) for name in ("checkpoint", "vision", "language")}
    moved = {name: _shared(path, work) for name, path in places.items() if path is not None}
    teacher = _shared(distillation.teacher, work) if distillation.teacher else None
    values = recipe.model_dump()
    values["data"]["folders"] = [_shared(folder, work) for folder in recipe.data.folders]
    values["start"] |= moved
    values["objective"]["distillation"]["teacher"] = teacher
    return Recipe.model_validate(values)


def _shared(path: Path, work: Path) -> Path:
    path = path.resolve()  # a link may lead out of what the nodes share
    if work.resolve() in path.parents:
        return path
    content = content_of(path)
    place = work / INPUTS / content.sha256[:16]
    if not place.exists():
        _copy(path, place, content.bytes)
    return place


def _copy(source: Path, place: Path, size: int) -> None:
    """Whole or not at all; two steps that copy the same at once both end well."""
    place.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place.parent).free
    if free < size:
        raise VocoError(
            f"{place.parent}: {free / 2**30:.1f} GiB are free, {source} takes {size / 2**30:.1f} GiB; free some"
            " there, or enlarge the claim"
        )
    with tempfile.TemporaryDirectory(prefix=".", suffix=".tmp", dir=place.parent) as beside:
        whole = Path(beside) / "whole"
        shutil.copytree(source, whole)
        try:
            whole.rename(place)
        except OSError:
            if not place.exists():
                raise
