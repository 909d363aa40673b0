"""Every task of a run: where, how long, how much memory, at what price."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from components.shipped import recipe_path
from components.training_step import SHORT
from pipelines.planning.prices import Prices
from pipelines.profiles import Profile, load_profile
from pipelines.resources import Resources
from pipelines.sizes import TRAINING_TASKS, all_resources
from pipelines.tasks import READS, SECONDS
from voco_model.errors import VocoError
from voco_model.training.recipe import Recipe
from voco_model.training.recipe_files import load_recipe

ASSUMED_HOURS = {"ingest": 8.0, "validate": 3.0, "evaluate": 1.5, "profile": 0.5, "export": 0.3}
"""Of tasks on the 7B data whose time nothing foretells; others take minutes."""
MINUTES = 0.05
"""Hours of the others."""
AFTER = {"ingest": ("look",), "news": ("ingest",), "validate": ("news",), "notify": ("audit",)}
"""What waits without reading."""


@dataclass(frozen=True)
class Planned:
    """One task."""

    task: str
    times: int
    """How often it runs, side by side."""
    resources: Resources
    memory: str
    """Of a GPU where that is foretold, else what is asked for of the node."""
    hours: float
    """Of each."""
    is_foretold: bool
    """By the training's own reckoning; else assumed."""
    fits: bool
    price: float | None
    """Of all of them; None where it runs on this machine."""


@dataclass(frozen=True)
class Plan:
    """A run."""

    profile: str
    tasks: tuple[Planned, ...]
    prices: Prices | None

    @property
    def hours(self) -> float:
        """From the first task to the last, what can be side by side being so."""
        ends: dict[str, float] = {}
        by_name = {one.task: one for one in self.tasks}
        for task in READS:
            behind = {source.split(".")[0] for source in READS[task].values()} | set(AFTER.get(task, ()))
            if task in TRAINING_TASKS:
                behind.add("validate")
            own = by_name[task].hours if task in by_name else 0.0
            ends[task] = own + max((ends.get(name, 0.0) for name in behind), default=0.0)
        return max(ends.values())

    @property
    def price(self) -> float:
        """Of all."""
        return sum(one.price or 0.0 for one in self.tasks)


def plan_of(profile: Profile, prices: Prices | None) -> Plan:
    """What `profile` would do. prices None: on this machine, where nobody is paid."""
    resources, planned = all_resources(profile), []
    for task in READS:
        own = resources[task]
        times = len(profile.benchmarks) if task == "evaluate" else 1
        if task in TRAINING_TASKS and own.gpus:
            one = _foretold(profile, task, own)
        else:
            hours = _assumed_hours(profile, task, own)
            one = Planned(task, times, own, f"{own.memory} asked for", hours, False, True, None)
        if prices is not None:
            one = replace(one, price=prices.hour(own) * one.hours * times)
        planned.append(one)
    return Plan(profile.name, tuple(planned), prices)


def planned_recipe(profile: Profile, task: str) -> Recipe:
    """A training task's recipe with its section on top, on the data and weights that the recipe itself names."""
    section = profile.sections[task]
    path = recipe_path(str(section.get("recipe", "")), task)
    given: dict[str, Any] = {SHORT[key]: value for key, value in section.items() if key in SHORT}
    given |= section.get("set", {})
    import yaml

    texts = [
        f"{key}={yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}" for key, value in given.items()
    ]
    return load_recipe(path, texts)


def _foretold(profile: Profile, task: str, own: Resources) -> Planned:
    from voco_model.training.foresight import foresee

    seen = foresee(planned_recipe(profile, task))
    if seen.hours is None:
        raise VocoError(
            f"{task}: its steps are unknown without its data; give the section `set: {{expected.groups: N}}`"
        )
    memory = f"{seen.need.total / 1e9:.0f} GB of each GPU"
    if seen.verdict is not None and not seen.verdict.fits:
        memory += f": {seen.verdict.says}"
    return Planned(task, 1, own, memory, seen.hours, True, seen.verdict is None or seen.verdict.fits, None)


def _assumed_hours(profile: Profile, task: str, own: Resources) -> float:
    """On GPUs by experience with 7B; on processors by tiny's own times, and how much more there is to do."""
    if any(section.get("base") not in (None, "small-world") for section in profile.sections.values()):
        return ASSUMED_HOURS.get(task, MINUTES)
    tiny = load_profile("tiny")
    if task in TRAINING_TASKS:
        more = (planned_recipe(profile, task).steps or 0) / (planned_recipe(tiny, task).steps or 1)
    elif task in ("ingest", "validate", "evaluate"):
        more = _pictures(profile.sections) / _pictures(tiny.sections)
    else:
        more = 1.0
    return SECONDS[task] * more / 3600


def _pictures(sections: Mapping[str, Mapping[str, Any]]) -> float:
    return float(sections["ingest"].get("world", {}).get("images", 1))
