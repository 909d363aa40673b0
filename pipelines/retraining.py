"""Retraining: from raw data to a promoted model, or to the reason why not.

 1. look            what the sources hold now (listings only)
 2. ingest          versioned data sets: captions, instructions, clips, benchmarks
 3. news            nothing new since the newest version (same data, same settings): the run ends here
 4. validate        every data set against its contract; on failure the run stops, before any GPU is asked for
 5. align           the projector, on captions
 6. instruct        the language model reads pictures through VoCo tokens
 7. bounds          the same with the pictures in sight: the upper bound; read through the rule, the lower
 8. continue_video  on to videos
 9. evaluate        every benchmark, side by side
10. summarise       the paper's tables, retention, intervals
11. profile         bytes, operations and time against no cache and a full cache
12. export          the model as others load it
13. promote         registered; champion where the gate is met
14. audit           the run's lineage in one file
15. notify          success or failure, whatever happened before
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kfp import dsl

from components.kubeflow.align import align
from components.kubeflow.audit import audit
from components.kubeflow.continue_video import continue_video
from components.kubeflow.evaluate import evaluate
from components.kubeflow.export import export
from components.kubeflow.ingest import ingest
from components.kubeflow.instruct import instruct
from components.kubeflow.look import look
from components.kubeflow.news import news
from components.kubeflow.notify import notify
from components.kubeflow.profile import profile as measure
from components.kubeflow.promote import promote
from components.kubeflow.refuse import refuse
from components.kubeflow.summarise import summarise
from components.kubeflow.validate import validate
from pipelines.caching import Caching, Putter
from pipelines.profiles import Profile

NAME = "voco-retraining"
Place = Callable[[str, dsl.PipelineTask], None]
"""Gives a task its image, resources and retries."""


def retraining(profile: Profile, place: Place, caching: Caching = Caching()) -> Any:  # noqa: B008 - frozen
    """The pipeline with the profile's sections as its parameters' defaults."""
    text, put = profile.section, Putter(place, caching)

    @dsl.pipeline(name=NAME, description=(__doc__ or "").split("\n")[0])
    def pipeline(
        ingest_config: str = text("ingest"),
        news_config: str = text("news"),
        validate_config: str = text("validate"),
        align_config: str = text("align"),
        instruct_config: str = text("instruct"),
        bounds_config: str = text("bounds"),
        continue_video_config: str = text("continue_video"),
        evaluate_config: str = text("evaluate"),
        benchmarks: list = profile.benchmarks,
        summarise_config: str = text("summarise"),
        profile_config: str = text("profile"),
        export_config: str = text("export"),
        promote_config: str = text("promote"),
        audit_config: str = text("audit"),
    ) -> None:
        # A JSON array of what decides the training: with other settings, the same data is news again.
        training = f"[{align_config},{instruct_config},{bounds_config},{continue_video_config}]"
        told = put(notify(pipeline=NAME), "notify", "Notify")
        with dsl.ExitHandler(told, name="Retraining"):
            looked = put(look(config=ingest_config), "look", "Look at the sources")
            ingested = put(ingest(config=ingest_config, sources=looked.outputs["sources"]), "ingest", "Ingest")
            data = ingested.outputs["data"]
            asked = put(news(config=news_config, training=training, data=data), "news", "Anything new?")
            with dsl.If(asked.outputs["Output"] == "train", name="Something new"):
                checked = put(validate(config=validate_config, data=data), "validate", "Validate data")
                with dsl.If(checked.outputs["Output"] == "no", name="Data refused"):
                    put(refuse(report=checked.outputs["report"]), "refuse", "Stop")
                with dsl.Else(name="Data accepted"):
                    trained = _train(
                        put, data, align_config, instruct_config, bounds_config, continue_video_config
                    )
                    judged = _judge(
                        put, data, trained, evaluate_config, benchmarks, summarise_config, profile_config
                    )
                    made = put(
                        export(config=export_config, model=trained.model, **judged.found), "export", "Export"
                    )
                    promoted = put(
                        promote(
                            config=promote_config,
                            training=training,
                            exported=made.outputs["exported"],
                            report=checked.outputs["report"],
                            data=data,
                            **judged.found,
                        ),
                        "promote",
                        "Promote",
                    )
                    tasks = {"ingest": ingested, "validate": checked, "export": made, "promote": promoted}
                    records = trained.records | judged.records | _records(tasks)
                    put(audit(config=audit_config, **records), "audit", "Audit record")

    return pipeline


@dataclass(frozen=True)
class _Trained:
    """What training leaves to the tasks after it."""

    model: Any
    upper: Any
    records: dict[str, Any]


@dataclass(frozen=True)
class _Judged:
    """What evaluation and profiling found: `found` by the names under which later tasks read it."""

    found: dict[str, Any]
    records: dict[str, Any]


def _train(
    put: Putter, data: Any, align_config: Any, instruct_config: Any, bounds_config: Any, video: Any
) -> _Trained:
    """The three stages, and the bounds' model beside them."""
    aligned = put(align(config=align_config, data=data), "align", "Align on captions")
    start = aligned.outputs["model"]
    tuned = put(instruct(config=instruct_config, data=data, start=start), "instruct", "Instruct with VoCo")
    bounded = put(
        instruct(config=bounds_config, data=data, start=start, task="bounds"), "bounds", "Train the bounds"
    )
    moved = put(
        continue_video(config=video, data=data, start=tuned.outputs["model"]),
        "continue_video",
        "Continue on video",
    )
    tasks = {"align": aligned, "instruct": tuned, "bounds": bounded, "continue_video": moved}
    return _Trained(moved.outputs["model"], bounded.outputs["model"], _records(tasks))


def _judge(
    put: Putter, data: Any, trained: _Trained, evaluate_config: Any, benchmarks: Any, summary: Any, profile: Any
) -> _Judged:
    """Every benchmark, side by side; their tables; and what the model costs."""
    with dsl.ParallelFor(benchmarks, name="Benchmarks") as benchmark:
        scored = put(
            evaluate(
                config=evaluate_config, benchmark=benchmark, data=data, model=trained.model, upper=trained.upper
            ),
            "evaluate",
            "Evaluate",
        )
    results = dsl.Collected(scored.outputs["results"])
    summed = put(summarise(config=summary, results=results), "summarise", "Summarise")
    measured = put(measure(config=profile, model=trained.model), "profile", "Profile")
    found = {"tables": summed.outputs["tables"], "efficiency": measured.outputs["efficiency"]}
    records = {"evaluate": dsl.Collected(scored.outputs["record"])}
    return _Judged(found, records | _records({"summarise": summed, "profile": measured}))


def _records(tasks: Mapping[str, Any]) -> dict[str, Any]:
    """What each task says of itself, for the audit."""
    return {name: task.outputs["record"] for name, task in tasks.items()}
