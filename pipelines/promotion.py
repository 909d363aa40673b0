"""Promotion: a registered version is held to the gate again, as after a change of the gate.

1. decide   every criterion; the aliases move where all are met
2. notify   success or failure
"""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.kubeflow.decide import decide
from components.kubeflow.notify import notify
from pipelines.caching import Caching, Putter
from pipelines.profiles import Profile

NAME = "voco-promotion"


def promotion(profile: Profile, place: Callable[[str, Any], None], caching: Caching) -> Any:
    """The pipeline; its parameter `version` names the model, by default the challenger."""
    put = Putter(place, caching)

    @dsl.pipeline(name=NAME, description=(__doc__ or "").split("\n")[0])
    def pipeline(
        version: str = f"{profile.model_name}@challenger", promote_config: str = profile.section("promote")
    ) -> None:
        with dsl.ExitHandler(put(notify(pipeline=NAME), "notify", "Notify"), name="Promotion"):
            put(decide(config=promote_config, version=version), "promote", "Hold to the gate")

    return pipeline
