"""A step's work as its runner hands it over, and what comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voco_model.errors import VocoError


@dataclass(frozen=True)
class Job:
    """One step's work: its section of the parameters, and where everything lies."""

    task: str
    """The section's name: usually the step's, but one step may be in the graph twice, such as `bounds`."""
    settings: Mapping[str, Any]
    """The section."""
    inputs: Mapping[str, Path]
    """What other steps left, by name."""
    outputs: Mapping[str, Path]
    """Where to write, by name; nothing is there yet, but the folder above is."""
    work: Path
    """A folder that is kept between tries of the same work, such as for checkpoints."""
    tell: Callable[[int, Mapping[str, float]], None] = lambda step, figures: None
    """Takes figures while the work lasts, with their step's number. `share`, 0 to 1, is how much is done."""

    def input(self, name: str) -> Path:
        """An input that must be there."""
        if name not in self.inputs:
            raise VocoError(f"{self.task}: input {name} is missing; there are {', '.join(self.inputs) or 'none'}")
        return self.inputs[name]

    def setting(self, name: str, default: Any = None) -> Any:
        """A setting, or its default."""
        return self.settings.get(name, default)

    def check_settings(self, known: set[str]) -> None:
        """Refuse a key that the step does not know."""
        if unknown := sorted(set(self.settings) - known):
            raise VocoError(f"{self.task}: unknown setting {unknown[0]}; there are {', '.join(sorted(known))}")


@dataclass(frozen=True)
class Done:
    """What came of it, beside the files."""

    figures: Mapping[str, float] = field(default_factory=dict)
    """For MLflow and KFP's metrics."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Short texts that other steps or conditions ask for, such as a decision."""
    reports: tuple[Path, ...] = ()
    """Pages and tables among the outputs that a person reads."""


Function = Callable[[Job], Done]
