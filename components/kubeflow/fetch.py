"""A registered model's files."""

from kfp.dsl import Artifact, Model, Output

from components.kubeflow.component import component


@component
def fetch(config: str, version: str, model: Output[Model], record: Output[Artifact]) -> str:
    """version: such as voco-llama@champion. Gives the version's number."""
    from components.kubeflow.adapter import run

    extra = {"model": version}
    return run("fetch", config, outputs={"model": model}, record=record, extra=extra).values["version"]
