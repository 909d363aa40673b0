"""Folder, S3 or HTTP to versioned data sets."""

from kfp.dsl import Artifact, Dataset, Metrics, Output

from components.kubeflow.component import component


@component
def ingest(
    config: str, sources: str, data: Output[Dataset], metrics: Output[Metrics], record: Output[Artifact]
) -> None:
    """sources: what `look` found; with another digest, the cache has no answer."""
    from components.kubeflow.adapter import run

    run("ingest", config, outputs={"data": data}, metrics=metrics, record=record, extra={"sources": sources})
