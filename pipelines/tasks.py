"""The tasks of the retraining pipeline: their order, what each reads, how long each takes."""

from collections.abc import Mapping

from components.shipped import recipe_path
from pipelines.profiles import Profile, read_layers
from voco_model.errors import VocoError

READS: dict[str, dict[str, str]] = {
    "look": {},
    "ingest": {},
    "news": {"data": "ingest.data"},
    "validate": {"data": "ingest.data"},
    "align": {"data": "ingest.data"},
    "instruct": {"data": "ingest.data", "start": "align.model"},
    "bounds": {"data": "ingest.data", "start": "align.model"},
    "continue_video": {"data": "ingest.data", "start": "instruct.model"},
    "evaluate": {"data": "ingest.data", "model": "continue_video.model", "upper": "bounds.model"},
    "summarise": {"results": "evaluate.results"},
    "profile": {"model": "continue_video.model"},
    "export": {"model": "continue_video.model", "tables": "summarise.tables", "efficiency": "profile.efficiency"},
    "promote": {
        "exported": "export.exported",
        "tables": "summarise.tables",
        "efficiency": "profile.efficiency",
        "report": "validate.report",
        "data": "ingest.data",
    },
    "audit": {
        task: f"{task}.record"
        for task in (
            *("ingest", "validate", "align", "instruct", "bounds", "continue_video", "evaluate"),
            *("summarise", "profile", "export", "promote"),
        )
    },
    "notify": {},
}
"""Task to its inputs, each `task.output`. Tests hold the compiled pipeline and `dvc.yaml` to this."""
WRITES = {
    "ingest": "data",
    "validate": "report",
    "align": "model",
    "instruct": "model",
    "bounds": "model",
    "continue_video": "model",
    "evaluate": "results",
    "summarise": "tables",
    "profile": "efficiency",
    "export": "exported",
    "promote": "verdict",
    "audit": "audit",
}
STEPS = {task: "instruct" if task == "bounds" else task for task in READS}
"""The module of `components/` that does a task."""
ON_GPU = frozenset({"align", "instruct", "bounds", "continue_video", "evaluate", "profile", "export"})
"""Tasks that compute with the model."""
SECONDS = {
    "look": 1.0,
    "ingest": 12.0,
    "news": 4.0,
    "validate": 20.0,
    "align": 30.0,
    "instruct": 70.0,
    "bounds": 70.0,
    "continue_video": 50.0,
    "evaluate": 15.0,
    "summarise": 3.0,
    "profile": 15.0,
    "export": 12.0,
    "promote": 6.0,
    "audit": 2.0,
    "notify": 1.0,
}
"""Of the profile tiny on two cores; the last run's own times are better."""


def behind(step: str) -> list[str]:
    """A task and everything that reads what it makes, directly or not."""
    check_task(step)
    found = [step]
    for task, inputs in READS.items():
        if any(source.split(".")[0] in found for source in inputs.values()) and task not in found:
            found.append(task)
    return found


def check_task(step: str) -> None:
    """Refuse a name that is no task's."""
    if step not in READS:
        raise VocoError(f"no step {step}; there are {', '.join(READS)}")


def expected(profile: Profile, before: Mapping[str, float]) -> dict[str, float]:
    """Seconds of every task that a run will do, by the last run or by experience."""
    found = {}
    for task, seconds in SECONDS.items():
        names = [f"evaluate {name}" for name in profile.benchmarks] if task == "evaluate" else [task]
        for name in names:
            found[name] = before.get(name) or seconds
    return found


def check_fits(profile: Profile) -> None:
    """Refuse, before anything is started, a profile whose recipes want GPUs that are not here."""
    for task in ("align", "instruct", "bounds", "continue_video"):
        name = profile.sections[task].get("recipe")
        device = read_layers(recipe_path(str(name or ""), task)).get("device", {})
        gpu, per_node, nodes = device.get("gpu"), device.get("gpus_per_node", 1), device.get("nodes", 1)
        if gpu is None:
            continue
        import torch

        found = torch.cuda.device_count()
        if nodes > 1 or found < per_node:
            raise VocoError(
                f"{task}: {name} wants {nodes} x {per_node} {gpu}, this machine has"
                f" {found or 'none'}; run it on a cluster with `voco submit --profile {profile.name}`, see what it"
                " needs with `voco dry-run`, or take `--profile tiny`"
            )
