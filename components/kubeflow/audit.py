"""The run's lineage in one file."""

from kfp.dsl import Artifact, Input, Metrics, Output

from components.kubeflow.component import component


@component
def audit(
    config: str,
    ingest: Input[Artifact],
    validate: Input[Artifact],
    align: Input[Artifact],
    instruct: Input[Artifact],
    bounds: Input[Artifact],
    continue_video: Input[Artifact],
    evaluate: Input[list[Artifact]],
    summarise: Input[Artifact],
    profile: Input[Artifact],
    export: Input[Artifact],
    promote: Input[Artifact],
    audit: Output[Artifact],
    metrics: Output[Metrics],
    record: Output[Artifact],
) -> None:
    """Every task's record."""
    from components.kubeflow.adapter import run

    inputs = {
        "ingest": ingest,
        "validate": validate,
        "align": align,
        "instruct": instruct,
        "bounds": bounds,
        "continue_video": continue_video,
        "summarise": summarise,
        "profile": profile,
        "export": export,
        "promote": promote,
    } | {f"evaluate_{number}": one for number, one in enumerate(evaluate)}
    run("audit", config, inputs=inputs, outputs={"audit": audit}, metrics=metrics, record=record)
