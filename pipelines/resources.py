"""What a step asks of a cluster: processors, GPUs, nodes, volumes, secrets; applied to a KFP task in one place."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from components.attesting.keys import MOUNTED
from components.train_jobs.nodes import GPU_LABELS, NodeResources
from voco_model.errors import VocoError

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

Pool = Literal["cpu", "gpu"]
Capacity = Literal["any", "spot", "on-demand"]
CPU = re.compile(r"[0-9]+m?|[0-9]+\.[0-9]+")
MEMORY = re.compile(r"[1-9][0-9]*(Mi|Gi|Ti)")
USER = 10001
"""The images' user."""
RUN_LABEL = "metadata.labels['pipeline/runid']"
"""Where KFP writes a run's id on each of its pods."""


@dataclass(frozen=True)
class Toleration:
    """A taint that does not keep a pod away."""

    key: str
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


@dataclass(frozen=True)
class Volume:
    """A claim that is there before the run."""

    claim: str
    path: str


@dataclass(frozen=True)
class Environment:
    """Keys of a config map or secret, as environment variables of the same names."""

    name: str
    keys: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True)
class Resources:
    """One step's share of a cluster."""

    cpu: str
    """Requested and, with what is there, the limit; such as "4" or "500m"."""
    memory: str
    """Requested and the limit: memory that is overcommitted ends in a killed step."""
    pool: Pool = "cpu"
    """Which nodes, by their label `voco/pool`."""
    gpus: int = 0
    """On one node."""
    gpu: str | None = None
    """A name of `voco_model/training/gpus.py`; decides the nodes' label `voco/gpu`. None takes any."""
    nodes: int = 1
    """More than one: the step's own pod needs no GPU, and starts a TrainJob of so many."""
    capacity: Capacity = "any"
    """Spot nodes are cheaper and may be taken away: only for steps that go on where they stopped."""
    shared_memory: str | None = None
    """Of /dev/shm, for loaders and NCCL; counts as memory. None leaves a container's 64 MiB."""
    scratch: str = "20Gi"
    """Room below /tmp."""
    tolerations: tuple[Toleration, ...] = ()
    volumes: tuple[Volume, ...] = ()
    secrets: tuple[Environment, ...] = ()
    configs: tuple[Environment, ...] = ()
    signing: str | None = None
    """The secret with the key that signs what the step made; where there is none, nothing is signed."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the pod."""
    pull: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """Images are named by digest, so one that is there is the right one."""
    deadline: int = 3600
    """Seconds that the pod may run."""
    retries: int = 0
    """For outside reasons alone: a step that fails for good fails again."""

    def __post_init__(self) -> None:
        checks = (
            (CPU.fullmatch(self.cpu), "cpu", self.cpu, 'a number such as "4" or "500m"'),
            (MEMORY.fullmatch(self.memory), "memory", self.memory, 'a size such as "16Gi"'),
            (MEMORY.fullmatch(self.scratch), "scratch", self.scratch, 'a size such as "20Gi"'),
            (MEMORY.fullmatch(self.shared_memory or "1Gi"), "shared_memory", self.shared_memory, 'such as "8Gi"'),
            (self.gpus >= 0, "gpus", self.gpus, "a whole number from 0"),
            (self.nodes >= 1, "nodes", self.nodes, "a whole number from 1"),
            (self.deadline > 0, "deadline", self.deadline, "seconds above 0"),
            (self.retries >= 0, "retries", self.retries, "a whole number from 0"),
            (self.gpu is None or self.gpu in GPU_LABELS, "gpu", self.gpu, f"one of {', '.join(GPU_LABELS)}"),
        )
        for is_right, name, value, wanted in checks:
            if not is_right:
                raise VocoError(f"resources: {name} is {value!r}; write {wanted}")
        self._check_together()

    def _check_together(self) -> None:
        if (self.gpus > 0) != (self.pool == "gpu"):
            raise VocoError(f"resources: {self.gpus} GPUs on the pool {self.pool}; GPUs are on the pool gpu alone")
        if self.nodes > 1 and not self.gpus:
            raise VocoError(f"resources: {self.nodes} nodes without GPUs; several nodes train on GPUs")
        if self.shared_memory and _bytes(self.shared_memory) >= _bytes(self.memory):
            raise VocoError(f"resources: shared_memory {self.shared_memory} is taken from memory {self.memory}")

    @property
    def all_gpus(self) -> int:
        """Of all nodes."""
        return self.gpus * self.nodes

    def selector(self) -> dict[str, str]:
        """Labels of the nodes that it may run on."""
        chosen: dict[str, str] = {"voco/pool": self.pool}
        if self.gpu is not None:
            chosen["voco/gpu"] = GPU_LABELS[self.gpu]
        if self.capacity != "any":
            chosen["voco/capacity"] = self.capacity
        return chosen

    def of_nodes(self) -> NodeResources:
        """What each node of a TrainJob is given."""
        return NodeResources(
            nodes=self.nodes,
            gpus=self.gpus,
            cpu=self.cpu,
            memory=self.memory,
            selector=self.selector(),
            deadline=self.deadline,
            work=next((volume.path for volume in self.volumes), "/work"),
        )

    def of_pod(self) -> "Resources":
        """What the step's own pod is given: a pod that only watches a TrainJob takes little."""
        if self.nodes == 1:
            return self
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        small = {"cpu": "1", "memory": "4Gi", "pool": "cpu", "gpus": 0, "gpu": None, "nodes": 1}
        small |= {"capacity": "any", "shared_memory": None, "tolerations": ()}
        return Resources(**values | small)


def configure(task: "PipelineTask", resources: Resources) -> "PipelineTask":
    """Apply them to a task of a pipeline, whose image is set already."""
    from kfp import kubernetes

    pod = resources.of_pod()
    task.set_cpu_request(pod.cpu).set_cpu_limit(pod.cpu)
    task.set_memory_request(pod.memory).set_memory_limit(pod.memory)
    if pod.gpus:
        task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(pod.gpus)
    if pod.retries:
        task.set_retry(pod.retries, backoff_duration="60s", backoff_factor=2, backoff_max_duration="900s")
    if resources.nodes > 1:
        task.set_env_variable("VOCO_TRAIN_JOB", json.dumps(asdict(resources.of_nodes()), sort_keys=True))
    for key, value in pod.selector().items():
        kubernetes.add_node_selector(task, key, value)
    for toleration in pod.tolerations:
        kubernetes.add_toleration(task, key=toleration.key, operator="Exists", effect=toleration.effect)
    for key, value in pod.labels.items():
        kubernetes.add_pod_label(task, key, value)
    kubernetes.set_image_pull_policy(task, pod.pull)
    kubernetes.set_timeout(task, pod.deadline)
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
    _mount(task, pod)
    _tell(task, pod)
    return task


def _mount(task: "PipelineTask", pod: Resources) -> None:
    from kfp import kubernetes

    kubernetes.empty_dir_mount(task, "tmp", "/tmp", size_limit=pod.scratch)
    if pod.shared_memory:
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=pod.shared_memory)
    if pod.signing:
        kubernetes.use_secret_as_volume(task, pod.signing, str(MOUNTED), optional=True)
    for volume in pod.volumes:
        kubernetes.mount_pvc(task, pvc_name=volume.claim, mount_path=volume.path)


def _tell(task: "PipelineTask", pod: Resources) -> None:
    """Run identity and places come by the environment: as parameters they would break the cache, or leak."""
    from kfp import kubernetes

    kubernetes.use_field_path_as_env(task, "VOCO_RUN", RUN_LABEL)
    task.set_env_variable("VOCO_IMAGE", task.container_spec.image)
    for config in pod.configs:
        kubernetes.use_config_map_as_env(task, config.name, {key: key for key in config.keys}, config.optional)
    for secret in pod.secrets:
        kubernetes.use_secret_as_env(task, secret.name, {key: key for key in secret.keys}, secret.optional)


def _bytes(size: str) -> int:
    return int(size[:-2]) * 2 ** {"Mi": 20, "Gi": 30, "Ti": 40}[size[-2:]]
