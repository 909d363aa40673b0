"""Audit: the run's lineage in one file, known to MLflow and named by the registered version."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.attesting.envelope import envelope_digest
from components.attesting.keys import signer_here
from components.auditing.lineage import gather, signed_lineage, write_lineage
from components.promoting.registry import EXPORTED, Registry
from components.stepping.job import Done, Job
from components.stepping.perform import NO_RUN
from components.tracking import tracking_uri
from voco_model.errors import VocoError

DIGEST_TAG, PLACE_TAG, ATTESTATION_TAG = "audit_sha256", "audit", "attestation_sha256"
"""Tags of a registered version: its lineage's digest and place, and the digest of its export's attestation."""


def step(job: Job) -> Done:
    """As a pipeline runs it: every task's record in, `audit` out."""
    job.check_settings(set())
    if not job.inputs:
        raise VocoError(f"{job.task}: no record was given; give those of the run's tasks")
    document = signed_lineage(gather(job.inputs, os.environ.get("VOCO_RUN") or NO_RUN), signer_here())
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
    made = next((one for one in document["records"] if one["record"]["step"] == "export"), None)
    sha256 = made["record"]["outputs"]["exported"]["sha256"] if made else None
    if made is None or version.tags.get(EXPORTED) != sha256:
        raise VocoError(
            f"{registry.name}: version {version.number} is not what this run exported; run the step promote again"
        )
    place = f"audit/{document['sha256'][:16]}"
    where = registry.upload(path, version.run, place)
    tags = {PLACE_TAG: f"{where}/{path.name}", DIGEST_TAG: document["sha256"]}
    if made["attestation"] is not None:
        tags[ATTESTATION_TAG] = envelope_digest(made["attestation"])
    registry.tag(version, tags)
