"""News: whether anything changed since the newest version in the registry was made; if not, nothing is trained."""

import json
from collections.abc import Mapping
from pathlib import Path

from components.ingesting.sets import SUMMARY
from components.promoting.registry import MODEL, Registry, Version, check_name
from components.stepping.code import code
from components.stepping.job import Done, Job
from components.tracking import tracking_uri
from voco_model.errors import VocoError

KEYS = {"force", "model_name", "config_sha256"}
TRAIN, NOTHING = "train", "nothing new"
COMPARED = {"data_version": "data", "config_sha256": "settings", "code_sha256": "code"}
"""A version's tag, and what it is called when it differs."""


def decide(newest: Version | None, now: Mapping[str, str], name: str) -> tuple[str, str]:
    """The decision and its reason. What is not known, of the version or of now, counts as changed."""
    if newest is None:
        return TRAIN, f"no version of {name} is registered yet"
    differs = [called for tag, called in COMPARED.items() if not now.get(tag) or newest.tags.get(tag) != now[tag]]
    made = f"version {newest.number} of {name} (run {newest.tags.get('voco.run', 'unknown')})"
    if differs:
        return TRAIN, f"{' and '.join(differs)} not the same as {made}'s"
    return NOTHING, f"{made} was made from the same data, settings and code"


def step(job: Job) -> Done:
    """As a pipeline runs it: values `decision` and `reason`."""
    job.check_settings(KEYS)
    name = check_name(str(job.setting("model_name", MODEL)))
    now = {
        "data_version": _data_version(job.input("data")),
        "config_sha256": str(job.setting("config_sha256") or ""),
        "code_sha256": code().sha256,
    }
    uri = tracking_uri()
    if job.setting("force", False):
        decision, reason = TRAIN, "asked for with force"
    elif uri is None:
        decision, reason = TRAIN, "no registry is configured (MLFLOW_TRACKING_URI)"
    else:
        versions = Registry(uri, name).versions()
        decision, reason = decide(versions[0] if versions else None, now, name)
    return Done(values={"decision": decision, "reason": reason})


def _data_version(data: Path) -> str:
    path = data / SUMMARY
    try:
        return str(json.loads(path.read_text("utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VocoError(f"{path}: no data version there ({error}); run the step ingest first") from None
