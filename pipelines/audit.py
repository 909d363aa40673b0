"""Audit: a registered version's lineage is checked again, such as every night.

1. check    every digest against the bytes; anything wrong fails the run
2. notify   success or failure
"""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.kubeflow.check import check
from components.kubeflow.notify import notify
from pipelines.caching import Caching, Putter
from pipelines.profiles import Profile

NAME = "voco-audit"


def audit(profile: Profile, place: Callable[[str, Any], None], caching: Caching) -> Any:
    """The pipeline; its parameter `version` names the model, by default the champion."""
    put = Putter(place, caching)

    @dsl.pipeline(name=NAME, description=(__doc__ or "").split("\n")[0])
    def pipeline(version: str = f"{profile.model_name}@champion") -> None:
        with dsl.ExitHandler(put(notify(pipeline=NAME), "notify", "Notify"), name="Audit"):
            put(check(version=version), "audit", "Check the lineage")

    return pipeline
