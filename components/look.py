"""Look: what the sources hold now, as one digest, without reading more than listings."""

from components.ingesting.sets import Sets
from components.stepping.job import Done, Job


def step(job: Job) -> Done:
    """As a pipeline runs it, with the section of `ingest`."""
    return Done(values={"sources": Sets(job.settings).state(job.work / "listed")})
