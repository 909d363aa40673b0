"""Evaluation: any registered model, scored again.

1. look       what the sources hold now
2. ingest     the benchmarks' files, versioned
3. fetch      the registered model
4. evaluate   every benchmark, side by side; without bounds, which are not registered
5. summarise  tables and intervals
6. profile    bytes, operations and time
7. notify     success or failure
"""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.kubeflow.evaluate import evaluate
from components.kubeflow.fetch import fetch
from components.kubeflow.ingest import ingest
from components.kubeflow.look import look
from components.kubeflow.notify import notify
from components.kubeflow.profile import profile as measure
from components.kubeflow.summarise import summarise
from pipelines.caching import Caching, Putter
from pipelines.profiles import Profile

NAME = "voco-evaluation"


def evaluation(profile: Profile, place: Callable[[str, Any], None], caching: Caching) -> Any:
    """The pipeline; its parameter `version` names the model, by default the champion."""
    text, put = profile.section, Putter(place, caching)

    @dsl.pipeline(name=NAME, description=(__doc__ or "").split("\n")[0])
    def pipeline(
        version: str = f"{profile.model_name}@champion",
        ingest_config: str = text("ingest"),
        evaluate_config: str = text("evaluate"),
        benchmarks: list = profile.benchmarks,
        summarise_config: str = text("summarise"),
        profile_config: str = text("profile"),
    ) -> None:
        with dsl.ExitHandler(put(notify(pipeline=NAME), "notify", "Notify"), name="Evaluation"):
            looked = put(look(config=ingest_config), "look", "Look at the sources")
            ingested = put(ingest(config=ingest_config, sources=looked.outputs["sources"]), "ingest", "Ingest")
            fetched = put(fetch(config="{}", version=version), "fetch", "Fetch the model")
            model = fetched.outputs["model"]
            with dsl.ParallelFor(benchmarks, name="Benchmarks") as benchmark:
                scored = put(
                    evaluate(
                        config=evaluate_config, benchmark=benchmark, data=ingested.outputs["data"], model=model
                    ),
                    "evaluate",
                    "Evaluate",
                )
            results = dsl.Collected(scored.outputs["results"])
            put(summarise(config=summarise_config, results=results), "summarise", "Summarise")
            put(measure(config=profile_config, model=model), "profile", "Profile")

    return pipeline
