"""Says how the run ended."""

from kfp.dsl import PipelineTaskFinalStatus

from components.kubeflow.component import component


@component
def notify(pipeline: str, status: PipelineTaskFinalStatus) -> None:
    """The exit handler: runs whatever happened before."""
    import json

    from components.kubeflow.adapter import run

    error = status.error_message or ""
    said = {"pipeline": pipeline, "state": str(status.state), "error": error}
    run("notify", json.dumps(said))
