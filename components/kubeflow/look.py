"""What the sources hold now, as one digest."""

from typing import NamedTuple

from components.kubeflow.component import component


@component
def look(config: str) -> NamedTuple("Looked", [("sources", str)]):  # type: ignore[valid-type]
    """Never answered from the cache: it is what the cache of `ingest` goes by."""
    from components.kubeflow.adapter import run

    return (run("look", config).values["sources"],)
