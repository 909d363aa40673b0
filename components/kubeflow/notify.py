"""Says how the run ended."""

from kfp.dsl import PipelineTaskFinalStatus

from components.kubeflow.component import component


@component
def notify(status: PipelineTaskFinalStatus) -> None:
    """The exit handler: runs whatever happened before."""
    import json

    from components.kubeflow.adapter import run

    error = status.error_message or ""
    said = {"pipeline": status.pipeline_task_name or "", "state": str(status.state), "error": error}
    run("notify", json.dumps(said))
