"""One benchmark, scored."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.kubeflow.component import component


@component
def evaluate(
    config: str,
    benchmark: str,
    data: Input[Dataset],
    model: Input[Model],
    upper: Input[Model],
    results: Output[Artifact],
    metrics: Output[Metrics],
    record: Output[Artifact],
) -> None:
    """Several run side by side."""
    from components.kubeflow.adapter import run

    run(
        "evaluate",
        config,
        label=f"evaluate {benchmark}",
        inputs={"data": data, "model": model, "upper": upper},
        outputs={"results": results},
        metrics=metrics,
        record=record,
        extra={"benchmark": benchmark},
    )


@component
def evaluate_alone(
    config: str,
    benchmark: str,
    data: Input[Dataset],
    model: Input[Model],
    results: Output[Artifact],
    metrics: Output[Metrics],
    record: Output[Artifact],
) -> None:
    """Without bounds, as for a registered model whose upper bound is not at hand."""
    from components.kubeflow.adapter import run

    run(
        "evaluate",
        config,
        label=f"evaluate {benchmark}",
        inputs={"data": data, "model": model},
        outputs={"results": results},
        metrics=metrics,
        record=record,
        extra={"benchmark": benchmark},
    )
