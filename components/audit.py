"""Audit: the run's lineage in one file, known to MLflow and named by the registered version."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.auditing.lineage import gather, write_lineage
from components.promoting.registry import EXPORTED, Registry
from components.stepping.job import Done, Job
from components.stepping.perform import NO_RUN
from components.tracking import tracking_uri
from voco_model.errors import VocoError

DIGEST_TAG, PLACE_TAG = "audit_sha256", "audit"


def step(job: Job) -> Done:
    """As a pipeline runs it: every task's record in, `audit` out."""
    job.check_settings(set())
    if not job.inputs:
        raise VocoError(f"{job.task}: no record was given; give those of the run's tasks")
    document = gather(job.inputs, os.environ.get("VOCO_RUN") or NO_RUN)
    path = write_lineage(document, job.outputs["audit"])
    uri = tracking_uri()
    if uri and document["version"]:
        publish(document, path, Registry(uri, document["model"]))
    loose = [link for link in document["links"] if link["from"] is None]
    for link in loose:
        print(f"{link['task']}: input {link['input']} was made by no step of this run", flush=True)
    figures = {"records": len(document["records"]), "links": len(document["links"]), "links_missing": len(loose)}
    return Done({name: float(n) for name, n in figures.items()}, {"sha256": document["sha256"]}, (path,))


def publish(document: Mapping[str, Any], path: Path, registry: Registry) -> None:
    """Beside the version that the run registered; a version of other bytes is refused."""
    version = registry.by_number(document["version"])
    made = next((r["record"] for r in document["records"] if r["record"]["step"] == "export"), None)
    sha256 = made["outputs"]["exported"]["sha256"] if made else None
    if version.tags.get(EXPORTED) != sha256:
        raise VocoError(
            f"{registry.name}: version {version.number} is not what this run exported; run the step promote again"
        )
    place = f"audit/{document['sha256'][:16]}"
    where = registry.upload(path, version.run, place)
    registry.tag(version, {PLACE_TAG: f"{where}/{path.name}", DIGEST_TAG: document["sha256"]})
