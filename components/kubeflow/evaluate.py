"""One benchmark, scored."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.kubeflow.component import component


@component
def evaluate(
    config: str,
    benchmark: str,
    data: Input[Dataset],
    model: Input[Model],
    results: Output[Artifact],
    metrics: Output[Metrics],
    record: Output[Artifact],
    upper: Input[Model] = None,  # KFP's way to say that it may be left out
) -> None:
    """Several run side by side.

    upper: the bounds' model; a registered model is scored without.
    """
    from components.kubeflow.adapter import run

    run(
        "evaluate",
        config,
        label=f"evaluate {benchmark}",
        inputs={"data": data, "model": model} | ({} if upper is None else {"upper": upper}),
        outputs={"results": results},
        metrics=metrics,
        record=record,
        extra={"benchmark": benchmark},
    )
