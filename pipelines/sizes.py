"""The resources of every task, by profile: what is small runs anywhere, 7B on nodes of eight GPUs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from components.shipped import recipe_path
from pipelines.profiles import Profile
from pipelines.resources import Environment, Resources, Toleration, Volume, configure
from voco_model.errors import VocoError
from voco_model.training.recipe import Device
from voco_model.training.recipe_files import load_recipe

CPU_TASKS = ("fetch", "look", "ingest", "news", "validate", "refuse", "summarise", "promote", "audit", "notify")
TRAINING_TASKS = ("align", "instruct", "bounds", "continue_video")
ONE_GPU_TASKS = ("evaluate", "profile", "export")
TASKS = (*CPU_TASKS, *TRAINING_TASKS, *ONE_GPU_TASKS)
PROFILES = ("tiny", "small", "7b-8gpu", "7b-multinode")

HOUR = 3600
WORK = Volume("voco-work", "/work")
"""Where steps keep what another try goes on from; `infra/kubernetes/base/pipeline.yaml` claims it."""
CONFIG = Environment("voco-pipeline", ("MLFLOW_TRACKING_URI", "VOCO_DVC_REMOTE", "VOCO_HOME", "VOCO_WORK"))
OPENLINEAGE = Environment("voco-openlineage", ("VOCO_OPENLINEAGE",), optional=True)
NOTIFY = Environment("voco-notify", ("VOCO_NOTIFY",), optional=True)
JUDGE = Environment("voco-judge", ("VOCO_JUDGE_URL", "VOCO_JUDGE_MODEL", "VOCO_JUDGE_KEY"), optional=True)
SIGNING = "voco-signing"
UNSIGNED = ("look", "news", "refuse", "notify")
"""Tasks that make nothing to be signed."""
GPU_TAINT = Toleration("nvidia.com/gpu")
SECRETS = {"notify": (NOTIFY,), "evaluate": (JUDGE,)}
RETRIES = {"look": 3, "ingest": 3, "promote": 2}
"""Sources and registries that do not answer; none for what fails for good."""
ON_SPOT = 5
"""Tries of a step on nodes that may be taken away; training goes on from its checkpoint."""


def resources_for(task: str, profile: str) -> Resources:
    """What a task asks for under a profile."""
    if task not in TASKS:
        raise VocoError(f"{task}: no such task; there are {', '.join(TASKS)}")
    if profile not in PROFILES:
        raise VocoError(f"{profile}: no such profile; there are {', '.join(PROFILES)}")
    size = _small(task, profile) if profile in ("tiny", "small") else _large(task, profile)
    return replace(
        size,
        configs=(CONFIG, OPENLINEAGE),
        volumes=(WORK,),
        secrets=SECRETS.get(task, ()),
        signing=None if task in UNSIGNED else SIGNING,
        labels={"app.kubernetes.io/part-of": "voco", "voco/task": task.replace("_", "-")},
        retries=max(size.retries, RETRIES.get(task, 0)),
    )


def all_resources(profile: Profile) -> dict[str, Resources]:
    """Every task's; how many GPUs and nodes a training step takes is its recipe's own word."""
    size, devices = size_of(profile), devices_of(profile)
    found = {}
    for task in TASKS:
        own = resources_for(task, size)
        if (device := devices.get(task)) is not None and device.gpu is not None:
            own = replace(own, gpus=device.gpus_per_node, gpu=device.gpu, nodes=device.nodes)
        found[task] = own
    return found


def size_of(profile: Profile) -> str:
    """The shipped profile of its size: itself, or, of a person's own file, by the GPUs of its recipes."""
    if profile.name in PROFILES:
        return profile.name
    devices = devices_of(profile).values()
    if not any(device.gpu for device in devices):
        return "small"
    return "7b-multinode" if any(device.nodes > 1 for device in devices) else "7b-8gpu"


def devices_of(profile: Profile) -> dict[str, Device]:
    """What each training task's recipe runs on."""
    found = {}
    for task in TRAINING_TASKS:
        path = recipe_path(str(profile.sections[task].get("recipe", "")), task)
        found[task] = load_recipe(path).device
    return found


def placed(profile: Profile) -> Callable[[str, Any], None]:
    """Gives each task of a pipeline its resources, as `compile_pipeline` asks for it."""
    asked = all_resources(profile)

    def place(task: str, node: Any) -> None:
        configure(node, asked[task])

    return place


def _small(task: str, profile: str) -> Resources:
    """On processors alone; `tiny` fits into a laptop's cluster of four processors and 12 GiB."""
    is_tiny = profile == "tiny"
    if task in TRAINING_TASKS:
        size = Resources(cpu="2" if is_tiny else "8", memory="4Gi" if is_tiny else "24Gi", deadline=4 * HOUR)
        return replace(size, shared_memory="1Gi", retries=1)
    if task in ONE_GPU_TASKS:
        return Resources(cpu="1" if is_tiny else "4", memory="3Gi" if is_tiny else "12Gi", deadline=2 * HOUR)
    return Resources(cpu="500m" if is_tiny else "2", memory="2Gi" if is_tiny else "8Gi", deadline=HOUR)


def _large(task: str, profile: str) -> Resources:
    """Nodes of eight H100; a TrainJob of four such nodes where the profile says so."""
    if task in TRAINING_TASKS:
        return Resources(
            cpu="48",
            memory="512Gi",
            pool="gpu",
            gpus=8,
            gpu="H100-80GB",
            nodes=4 if profile == "7b-multinode" else 1,
            capacity="spot",
            shared_memory="64Gi",
            scratch="150Gi",
            tolerations=(GPU_TAINT,),
            deadline=48 * HOUR,
            retries=ON_SPOT,
        )
    if task in ONE_GPU_TASKS:
        measured = task == "profile"  # figures of one machine: not of whichever was cheap
        return Resources(
            cpu="12",
            memory="96Gi",
            pool="gpu",
            gpus=1,
            gpu="H100-80GB",
            capacity="on-demand" if measured else "spot",
            shared_memory="8Gi",
            scratch="100Gi",
            tolerations=(GPU_TAINT,),
            deadline=12 * HOUR,
            retries=0 if measured else ON_SPOT,
        )
    if task in ("ingest", "validate"):
        return Resources(cpu="7", memory="28Gi", scratch="150Gi", deadline=24 * HOUR)
    return Resources(cpu="2", memory="8Gi", deadline=HOUR)
