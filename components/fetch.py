"""Fetch: a registered version's files, to be used again."""

import json

from components.promoting.registry import EXPORTED, existing_registry, split_name
from components.stepping.digests import content_of
from components.stepping.job import Done, Job
from components.tracking import tracking_uri
from voco_model.errors import VocoError


def step(job: Job) -> Done:
    """As a pipeline runs it: `model` out. The setting `model` names the version, such as voco-llama@champion."""
    job.check_settings({"model"})
    uri = tracking_uri()
    if uri is None:
        raise VocoError("MLFLOW_TRACKING_URI is not set, so there is no registry; name a database or server there")
    name, which = split_name(str(job.setting("model", "voco-llama")))
    registry = existing_registry(uri, name)
    version = registry.find(which)
    exported = registry.fetch(version.source, job.work / "exported")
    found = content_of(exported).sha256
    if found != version.tags.get(EXPORTED):
        raise VocoError(
            f"{name} version {version.number}: not the bytes that were exported; audit it with voco audit"
        )
    (exported / "model").rename(job.outputs["model"])
    print(json.dumps({"model": name, "version": version.number}))
    return Done(values={"version": version.number})
