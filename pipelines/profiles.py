"""A profile: the parameters of every task, as a file with a section for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.stepping.digests import canonical, text_digest
from voco_model.errors import VocoError

CONFIGS = Path(__file__).with_name("configs")
FILE = "pipeline.yaml"
SECTIONS = (
    "ingest",
    "news",
    "validate",
    "align",
    "instruct",
    "bounds",
    "continue_video",
    "evaluate",
    "summarise",
    "profile",
    "export",
    "promote",
    "audit",
)
"""In the order in which they are run."""


TRAINING = ("align", "instruct", "bounds", "continue_video")


@dataclass(frozen=True)
class Profile:
    """A pipeline's parameters by task."""

    name: str
    sections: Mapping[str, Mapping[str, Any]]

    def section(self, task: str) -> str:
        """As a component takes it: one line of JSON."""
        return canonical(self._own(task))

    def settings(self, task: str) -> dict[str, Any]:
        """As the step takes it, outside KFP too: `news` and `promote` are told what decides the training."""
        told = task in ("news", "promote")
        own = {"config_sha256": text_digest([self.sections[t] for t in TRAINING])} if told else {}
        return self._own(task) | own

    def _own(self, task: str) -> dict[str, Any]:
        """The section; `news` asks for the model that `promote` registers."""
        return ({"model_name": self.model_name} if task == "news" else {}) | dict(self.sections.get(task, {}))

    @property
    def model_name(self) -> str:
        """The registered model's."""
        return str(self.sections["promote"].get("model_name", "voco-llama"))

    @property
    def benchmarks(self) -> list[str]:
        """What is evaluated, each in a task of its own."""
        return list(self.sections["evaluate"].get("benchmarks", []))


def profile_names() -> list[str]:
    """The shipped ones."""
    return sorted(path.parent.name for path in CONFIGS.glob(f"*/{FILE}"))


def load_profile(name: str, settings: Sequence[str] = ()) -> Profile:
    """A shipped profile by its name or any file, with `section.key=value` on top; unknown sections are refused."""
    path = CONFIGS / name / FILE
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        raise VocoError(f"{name}: no such profile; there are {', '.join(profile_names())}, or give a file")
    found = read_layers(path)
    for setting in settings:
        _set(found, setting)
    _check(found, path)
    return Profile(name if path.parent.parent == CONFIGS else path.stem, {t: found.get(t) or {} for t in SECTIONS})


def read_layers(path: Path, inner: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A file's sections on top of those of the file that it extends."""
    if path.resolve() in inner:
        raise VocoError(f"{path}: extends itself; take one `extends` out")
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise VocoError(f"{path}: not readable YAML ({' '.join(str(error).split())[:200]})") from None
    if not isinstance(found, dict):
        raise VocoError(f"{path}: holds no sections; there can be {', '.join(SECTIONS)}")
    below = found.pop("extends", None)
    return _merged(read_layers(path.parent / below, (*inner, path.resolve())), found) if below else found


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for name, value in above.items():
        old = both.get(name)
        both[name] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both


def _set(sections: dict[str, Any], setting: str) -> None:
    name, equals, text = setting.partition("=")
    parts = name.strip().split(".")
    if not equals or len(parts) < 2:
        raise VocoError(f"--set {setting}: write section.key=value, such as instruct.lr=1e-3")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise VocoError(f"--set {setting}: the value is not YAML; quote it") from None
    section = sections
    for part in parts[:-1]:
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            raise VocoError(f"--set {setting}: {part} is no section")
    section[parts[-1]] = _number(value)


def _number(value: Any) -> Any:
    """YAML takes 1e-3 for a text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _check(found: Mapping[str, Any], path: Path) -> None:
    for task, section in found.items():
        if task not in SECTIONS:
            raise VocoError(f"{path}: unknown section {task}; there are {', '.join(SECTIONS)}")
        if not isinstance(section, dict | None):
            raise VocoError(f"{path}: {task} is {section!r}; it is a section, with keys of its own")
    for task in ("ingest", "evaluate"):
        if not found.get(task):
            raise VocoError(f"{path}: section {task} is missing; see {CONFIGS.name}/tiny/{FILE}")
    if not found["evaluate"].get("benchmarks"):
        raise VocoError(f"{path}: evaluate.benchmarks is empty; name at least one")
