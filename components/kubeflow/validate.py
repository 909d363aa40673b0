"""Every data set against its contract."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from components.kubeflow.component import component


@component
def validate(
    config: str,
    data: Input[Dataset],
    report: Output[Artifact],
    page: Output[HTML],
    metrics: Output[Metrics],
    record: Output[Artifact],
) -> str:
    """`yes` or `no`; the pipeline stops on no, and the pages stay to be read."""
    from components.kubeflow.adapter import run

    done = run(
        "validate",
        config,
        inputs={"data": data},
        outputs={"report": report},
        metrics=metrics,
        page=page,
        record=record,
    )
    return done.values["passed"]
