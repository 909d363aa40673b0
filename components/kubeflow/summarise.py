"""All benchmarks' results as the paper's tables."""

from kfp.dsl import HTML, Artifact, Input, Metrics, Output

from components.kubeflow.component import component


@component
def summarise(
    config: str,
    results: Input[list[Artifact]],
    tables: Output[Artifact],
    page: Output[HTML],
    metrics: Output[Metrics],
    record: Output[Artifact],
) -> None:
    """Retention with its interval, on each benchmark and on average."""
    from components.kubeflow.adapter import run

    inputs = {f"results_{number}": one for number, one in enumerate(results)}
    run("summarise", config, inputs=inputs, outputs={"tables": tables}, metrics=metrics, page=page, record=record)
