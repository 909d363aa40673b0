"""Which tasks may be answered by an earlier run's."""

from collections.abc import Collection
from dataclasses import dataclass

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
