"""What a person names, `MODEL@alias`, `MODEL/version` or an audit.json, as a lineage that nobody changed."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.audit import DIGEST_TAG, PLACE_TAG
from components.auditing.lineage import Entry, Lineage, read_lineage
from components.promoting.registry import Registry, Version, existing_registry, split_name
from voco_model.errors import VocoError

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""A person waits: MLflow's own tries take minutes to say that a server is not there."""


@dataclass(frozen=True)
class Subject:
    """A lineage under the name that a person knows it by."""

    name: str
    lineage: Lineage

    def entry(self, task: str) -> Entry:
        """A step by its task's name."""
        for entry in self.lineage.entries:
            if entry.record.task == task:
                return entry
        there = ", ".join(entry.record.task for entry in self.lineage.entries)
        raise VocoError(f"{self.name}: no step {task} in its lineage; there are {there or 'none'}")


def open_subject(written: str, uri: str) -> Subject:
    """By name from the registry at `uri`, or from a file."""
    path = Path(written)
    if path.is_file() or path.suffix == ".json":
        lineage, sha256 = read_lineage(path)
        return Subject(f"{path} (run {lineage.run})", _unchanged(lineage, sha256, str(path)))
    be_patient()
    name, which = split_name(written)
    registry = existing_registry(uri, name)
    version = registry.find(which)
    return Subject(f"{name} version {version.number}", lineage_of(registry, version))


def be_patient() -> None:
    """No longer than a person is, unless the environment says how long."""
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)


def lineage_of(registry: Registry, version: Version) -> Lineage:
    """As it was published beside the version."""
    title = f"{registry.name} version {version.number}"
    place = version.tags.get(PLACE_TAG)
    if place is None:
        raise VocoError(
            f"{title}: names no lineage: its run ended before the step audit, or it was registered by hand; "
            "register it by `voco run`"
        )
    with tempfile.TemporaryDirectory() as folder:
        lineage, sha256 = read_lineage(registry.fetch(place, Path(folder)))
    if version.tags.get(DIGEST_TAG) != sha256:
        raise VocoError(
            f"{title}: its lineage is not the one that was registered; see `voco audit {registry.name}`"
        )
    return _unchanged(lineage, sha256, title)


def _unchanged(lineage: Lineage, sha256: str, title: str) -> Lineage:
    if lineage.sealed != sha256:
        raise VocoError(f"{title}: the lineage was changed (its digest is {sha256[:12]}); see `voco audit`")
    return lineage
