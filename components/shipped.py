"""The recipes that come with the project, by name. Imports little: the command line asks before it starts."""

from pathlib import Path

from voco_model.errors import VocoError

CONFIGS = Path(__file__).parents[1] / "pipelines" / "configs"


def recipe_path(name: str, task: str) -> Path:
    """A shipped recipe by its name, such as tiny/align.yaml, or any other file."""
    for path in (CONFIGS / name, Path(name)):
        if path.is_file():
            return path
    found = (p for p in CONFIGS.glob("*/*.yaml") if p.name != "pipeline.yaml")
    shipped = sorted(p.relative_to(CONFIGS).as_posix() for p in found)
    raise VocoError(f"{task}: no recipe {name or '(none given)'}; there are {', '.join(shipped)}, or give a path")
