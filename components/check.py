"""Check: a registered version's lineage, audited again; anything wrong fails the step."""

import tempfile
from pathlib import Path

from components.auditing.items import UNKNOWN, exit_status, tree
from components.auditing.version import check_version
from components.promoting.registry import MODEL, existing_registry, split_name
from components.stepping.job import Done, Job
from components.tracking import tracking_uri
from voco_model.errors import VocoError


def step(job: Job) -> Done:
    """As a pipeline runs it: `tree` out, a text for people. The setting `model` names the version."""
    job.check_settings({"model"})
    uri = tracking_uri()
    if uri is None:
        raise VocoError("MLFLOW_TRACKING_URI is not set, so there is no registry; name a database or server there")
    name, which = split_name(str(job.setting("model", MODEL)))
    registry = existing_registry(uri, name)
    version = registry.find(which)
    with tempfile.TemporaryDirectory() as folder:
        # Every byte that was kept. A source goes on changing, and is not at hand wherever this runs.
        items = list(check_version(registry, version, Path(folder), deep=True, raw=False))
    text = tree(items, f"{name} version {version.number}")
    print(text)
    job.outputs["tree"].write_text(f"```\n{text}\n```\n", "utf-8")
    status = exit_status(items)
    if status == 1:
        raise VocoError(f"{name} version {version.number}: its lineage does not hold; see the tree above")
    figures = {"items": len(items), "unknown": sum(item.verdict == UNKNOWN for item in items)}
    return Done({k: float(v) for k, v in figures.items()}, {"status": str(status)}, (job.outputs["tree"],))
