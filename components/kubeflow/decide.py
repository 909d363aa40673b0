"""The gate once more, for a version that is registered already."""

from kfp.dsl import Artifact, Markdown, Output

from components.kubeflow.component import component


@component
def decide(
    config: str, version: str, verdict: Output[Artifact], page: Output[Markdown], record: Output[Artifact]
) -> str:
    """version: such as voco-llama@challenger. Gives `promoted` or `not promoted`."""
    from components.kubeflow.adapter import run

    done = run("decide", config, outputs={"verdict": verdict}, page=page, record=record, extra={"model": version})
    return done.values["verdict"]
