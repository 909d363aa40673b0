"""Which tasks may be answered by an earlier run's."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

UNCACHED = frozenset({"look", "news", "promote", "audit", "notify", "refuse", "fetch"})
"""They ask or tell the world outside, so an earlier answer is not theirs."""


@dataclass(frozen=True)
class Caching:
    """What the pipeline's command line says of it."""

    enabled: bool = True
    fresh: Collection[str] = ()
    """Tasks that are done again all the same."""

    def allows(self, task: str) -> bool:
        """Whether an earlier answer counts."""
        return self.enabled and task not in UNCACHED and task not in self.fresh


@dataclass(frozen=True)
class Putter:
    """Gives a task its name for people, its caching, and its place: image, resources, retries."""

    place: Callable[[str, Any], None]
    caching: Caching

    def __call__(self, task: Any, name: str, title: str) -> Any:
        """The task itself. name: the section that it belongs to."""
        task.set_display_name(title)
        task.set_caching_options(self.caching.allows(name))
        self.place(name, task)
        return task
