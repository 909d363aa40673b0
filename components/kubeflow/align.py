"""The projector, on captions."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.kubeflow.component import component


@component
def align(
    config: str, data: Input[Dataset], model: Output[Model], metrics: Output[Metrics], record: Output[Artifact]
) -> None:
    """Vision tower and language model stay as they are."""
    from components.kubeflow.adapter import run

    run("align", config, inputs={"data": data}, outputs={"model": model}, metrics=metrics, record=record)
