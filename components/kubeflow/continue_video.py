"""On to videos, from the instruct step's weights."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.kubeflow.component import component


@component
def continue_video(
    config: str,
    data: Input[Dataset],
    start: Input[Model],
    model: Output[Model],
    metrics: Output[Metrics],
    record: Output[Artifact],
) -> None:
    """A few tokens of each frame, in time order."""
    from components.kubeflow.adapter import run

    inputs = {"data": data, "start": start}
    run("continue_video", config, inputs=inputs, outputs={"model": model}, metrics=metrics, record=record)
