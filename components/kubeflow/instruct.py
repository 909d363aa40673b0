"""The language model learns to read pictures through VoCo tokens; or, as `bounds`, with its pictures in sight."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.kubeflow.component import component


@component
def instruct(
    config: str,
    data: Input[Dataset],
    start: Input[Model],
    model: Output[Model],
    metrics: Output[Metrics],
    record: Output[Artifact],
    task: str = "instruct",
) -> None:
    """task: the section that `config` is; `bounds` trains the upper bound's model."""
    from components.kubeflow.adapter import run

    inputs = {"data": data, "start": start}
    run("instruct", config, task=task, inputs=inputs, outputs={"model": model}, metrics=metrics, record=record)
