"""Decide: a version that is registered already is held to the gate again, and promoted where it meets it."""

from components.promote import KEYS, wish_of, write_verdict
from components.promoting.deciding import decide
from components.promoting.registry import MODEL, existing_registry, split_name
from components.stepping.job import Done, Job
from components.tracking import tracking_uri
from voco_model.errors import VocoError


def step(job: Job) -> Done:
    """As a pipeline runs it: `verdict` out. The setting `model` names the version, by default the challenger."""
    job.check_settings({*KEYS, "model"})
    uri = tracking_uri()
    if uri is None:
        raise VocoError("MLFLOW_TRACKING_URI is not set, so there is no registry; name a database or server there")
    name, which = split_name(str(job.setting("model") or f"{job.setting('model_name', MODEL)}@challenger"))
    registry = existing_registry(uri, name)
    done = decide(registry.find(which), wish_of(job), registry)
    page = write_verdict(done, registry.name, job.outputs["verdict"])
    values = {"verdict": done.outcome, "version": done.version.number, "reason": done.reason}
    return Done({"gate_met": float(done.verdict.met)}, values, (page,))
