"""What the compression saves."""

from kfp.dsl import Artifact, Input, Markdown, Metrics, Model, Output

from components.kubeflow.component import component


@component
def profile(
    config: str,
    model: Input[Model],
    efficiency: Output[Artifact],
    page: Output[Markdown],
    metrics: Output[Metrics],
    record: Output[Artifact],
) -> None:
    """Bytes, operations and time: no cache, everything cached, VoCo tokens cached."""
    from components.kubeflow.adapter import run

    run(
        "profile",
        config,
        inputs={"model": model},
        outputs={"efficiency": efficiency},
        metrics=metrics,
        page=page,
        record=record,
    )
