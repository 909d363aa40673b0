"""A registered version's lineage, audited."""

from kfp.dsl import Artifact, Markdown, Output

from components.kubeflow.component import component


@component
def check(version: str, tree: Output[Artifact], page: Output[Markdown]) -> str:
    """version: such as voco-llama@champion. Fails where anything is wrong; `2` where something is unknown."""
    from components.kubeflow.adapter import run

    return run("check", "{}", outputs={"tree": tree}, page=page, extra={"model": version}).values["status"]
