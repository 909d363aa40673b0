"""Into the registry; past the gate, to champion."""

from typing import NamedTuple

from kfp.dsl import Artifact, Input, Markdown, Metrics, Model, Output

from components.kubeflow.component import component


@component
def promote(
    config: str,
    training: str,
    exported: Input[Model],
    tables: Input[Artifact],
    efficiency: Input[Artifact],
    report: Input[Artifact],
    data: Input[Artifact],
    verdict: Output[Artifact],
    page: Output[Markdown],
    metrics: Output[Metrics],
    record: Output[Artifact],
) -> NamedTuple("Verdict", [("verdict", str), ("version", str), ("reason", str)]):  # type: ignore[valid-type]
    """A gate that is not met is an answer, not a failure."""
    from components.kubeflow.adapter import run, training_digest

    done = run(
        "promote",
        config,
        inputs={
            "exported": exported,
            "tables": tables,
            "efficiency": efficiency,
            "report": report,
            "data": data,
        },
        outputs={"verdict": verdict},
        metrics=metrics,
        page=page,
        record=record,
        extra=training_digest(training),
    )
    return done.values["verdict"], done.values["version"], done.values["reason"]
