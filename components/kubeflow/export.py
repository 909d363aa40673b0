"""The model as others load it."""

from kfp.dsl import Artifact, Input, Metrics, Model, Output

from components.kubeflow.component import component


@component
def export(
    config: str,
    model: Input[Model],
    tables: Input[Artifact],
    efficiency: Input[Artifact],
    exported: Output[Model],
    metrics: Output[Metrics],
    record: Output[Artifact],
) -> None:
    """A folder with processor, manifest, card, and an MLflow model that answers questions."""
    from components.kubeflow.adapter import run

    inputs = {"model": model, "tables": tables, "efficiency": efficiency}
    run("export", config, inputs=inputs, outputs={"exported": exported}, metrics=metrics, record=record)
