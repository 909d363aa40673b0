"""Recipes read from YAML in layers, defaults < file < command line; every mistake named with its place."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from voco_model.errors import VocoError
from voco_model.training.recipe import Recipe
from voco_model.training.recipe_keys import EXPONENTS, EXPONENTS_START, recipe_keys

ALTERNATIVES = (
    {"epochs": 1, "steps": 2},
    {"data.fps": 1, "data.n_frames": 2},
    {"start.checkpoint": 1, "start.preset": 2, "start.vision": 3, "start.language": 3},
)
"""Keys of which one number is given: a later layer's choice takes the earlier one's place."""


class Given(NamedTuple):
    """A value, and the file or flag that gave it."""

    value: Any
    origin: str


def load_recipe(path: Path | None, settings: Sequence[str] = ()) -> Recipe:
    """The recipe of a file, with `key=value` settings on top. Paths in it count from the current folder."""
    given: dict[str, Given] = {}
    for mapping, origin in _files(path) if path else ():
        _lay(given, mapping, origin)
    for setting in settings:
        _lay(given, _setting(setting), f"--set {setting}")
    try:
        return Recipe.model_validate(_nested(given))
    except ValidationError as error:
        raise VocoError(_in_words(error, given, str(path or "--set"))) from None


def _files(path: Path, inner: tuple[Path, ...] = ()) -> Iterator[tuple[dict[str, Any], str]]:
    """A file's mapping, after those of the file that it extends."""
    if path.resolve() in inner:
        raise VocoError(f"{path}: extends itself; take one `extends` out")
    mapping = _read(path)
    parent = mapping.pop("extends", None)
    if parent is not None:
        if not isinstance(parent, str):
            raise VocoError(f"{path}: extends is {parent!r}; give one file's path, from this file's folder")
        yield from _files(path.parent / parent, (*inner, path.resolve()))
    yield mapping, str(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(path.read_text("utf-8"), _Loader)
    except FileNotFoundError:
        raise VocoError(f"{path}: no such recipe; there are some below pipelines/configs") from None
    except (OSError, UnicodeDecodeError) as error:
        raise VocoError(f"{path}: cannot be read as text ({error})") from None
    except yaml.YAMLError as error:
        raise VocoError(f"{path}: {_one_line(error)}; mend the YAML there") from None
    if not isinstance(found, dict):
        raise VocoError(f"{path}: holds no keys; write `stage: instruct` and so on, see --print-config")
    return found


def _setting(text: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise VocoError(f"--set {text}: write key=value, such as optimiser.lr=1e-4")
    try:
        return {name.strip(): yaml.load(value, _Loader)}
    except yaml.YAMLError as error:
        raise VocoError(f"--set {text}: {_one_line(error)}; quote the value") from None


def _lay(given: dict[str, Given], mapping: Mapping[Any, Any], origin: str) -> None:
    """Put a layer on top of those before it."""
    new = dict(_leaves(mapping, origin))
    for group in ALTERNATIVES:
        chosen = {number for name, number in group.items() if new.get(name) is not None}
        for name, number in group.items():
            if chosen and number not in chosen:
                given.pop(name, None)
    for name, value in new.items():
        given[name] = Given(value, origin)
    for name, value in _parts_of_mappings(mapping):
        whole = given.get(name)
        given[name] = Given({**(whole.value or {} if whole else {}), **value}, origin)


def _leaves(mapping: Mapping[Any, Any], origin: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of a layer; a name that is no setting is refused."""
    for name, value in mapping.items():
        dotted = f"{prefix}{name}"
        if dotted in recipe_keys():
            yield dotted, value
        elif any(key.startswith(f"{dotted}.") for key in recipe_keys()):
            if not isinstance(value, dict | None):
                raise VocoError(f"{dotted} is {value!r} in {origin}; it is a section, with keys of its own")
            yield from _leaves(value or {}, origin, f"{dotted}.")
        elif _mapping_of(dotted) is None:
            raise VocoError(f"unknown key {dotted} in {origin}; {_nearest(dotted)}")


def _mapping_of(dotted: str) -> str | None:
    """The setting that is a mapping and has `dotted` as one of its own keys, such as start.options.positions."""
    parent = dotted.rpartition(".")[0]
    key = recipe_keys().get(parent)
    return parent if key is not None and key.allowed.startswith("a mapping") else None


def _parts_of_mappings(mapping: Mapping[Any, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in mapping.items():
        if name not in recipe_keys() and (parent := _mapping_of(str(name))):
            yield parent, {name.rpartition(".")[2]: value}


def _nearest(dotted: str) -> str:
    """What may have been meant: by the whole name, or by its last part anywhere."""
    last = {name.rpartition(".")[2]: name for name in reversed(recipe_keys())}
    whole = difflib.get_close_matches(dotted, recipe_keys(), n=3, cutoff=0.75)
    by_last = [last[name] for name in difflib.get_close_matches(dotted.rpartition(".")[2], last, n=3)]
    near = list(dict.fromkeys(whole + by_last))[:3]
    return f"did you mean {' or '.join(near)}?" if near else "--keys lists them all"


def _nested(given: Mapping[str, Given]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, (value, _) in given.items():
        *path, last = name.split(".")
        section = out
        for part in path:
            section = section.setdefault(part, {})
        section[last] = value
    return out


def _in_words(error: ValidationError, given: Mapping[str, Given], source: str) -> str:
    """The first mistake in one line: key, file or flag, what is wrong, what is allowed."""
    errors = error.errors()
    first = errors[0]
    dotted = ".".join(str(part) for part in first["loc"])
    key = next((recipe_keys()[d] for d in _ancestors(dotted) if d in recipe_keys()), None)
    more = f" ({len(errors) - 1} more after that)" if len(errors) > 1 else ""
    if key is None and first["type"] == "missing":  # a whole section
        required = [k for name, k in recipe_keys().items() if name.startswith(f"{dotted}.") and k.required]
        if not required:
            return f"{dotted} is missing in {source}; give its keys, which --keys lists{more}"
        key = required[0]
    if key is None:
        origins = {one.origin for one in given.values() if one.origin.startswith("--set")}
        where = " with ".join([source, *sorted(origins - {source})])
        return f"{where}: {dotted + ': ' if dotted else ''}{first['msg'].removeprefix('Value error, ')}{more}"
    if key.name not in given:
        return f"{key.name} is missing in {source}; give {key.allowed}{more}"
    value, origin = given[key.name]
    shown = value if isinstance(value, str | float | int) else repr(value)
    return f"{key.name} is {shown} in {origin}; give {key.allowed}{more}"


def _ancestors(dotted: str) -> Iterator[str]:
    while dotted:
        yield dotted
        dotted = dotted.rpartition(".")[0]


def _one_line(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
    return (f"line {mark.line + 1}: " if mark else "") + " ".join(problem.split())


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-4 is a number and a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(name, deep=True) for name, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{name} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENTS, EXPONENTS_START)
