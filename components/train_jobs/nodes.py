"""What each node of a TrainJob is given, and how a step learns of it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from voco_model.errors import VocoError

GPU_LABELS = {
    "A100-40GB": "a100",
    "A100-80GB": "a100",
    "H100-80GB": "h100",
}
"""GPUs that the cluster has nodes of, and those nodes' label `voco/gpu`."""
VARIABLE = "VOCO_TRAIN_JOB"
"""Set by the pipeline on a step that trains on several nodes."""


@dataclass(frozen=True)
class NodeResources:
    """A TrainJob's nodes, all alike."""

    nodes: int
    gpus: int
    """Of each node; a process for each."""
    cpu: str
    """Of each node, such as "48"."""
    memory: str
    """Of each node, such as "512Gi"."""
    selector: Mapping[str, str] = field(default_factory=dict)
    """Labels that the nodes have, on top of the runtime's."""
    deadline: int = 24 * 3600
    """Seconds that the TrainJob may run."""
    work: str = "/work"
    """Where the volume lies that step and nodes share."""
    image: str | None = None
    """Of the nodes; None is the step's own, or the runtime's where nothing names that."""


def node_resources(environment: Mapping[str, str] = os.environ) -> NodeResources | None:
    """What the pipeline set for this step; None where it trains in its own pod."""
    text = environment.get(VARIABLE)
    if not text:
        return None
    try:
        values = json.loads(text)
        unknown = set(values) - {one.name for one in fields(NodeResources)}
        if unknown:
            raise ValueError(f"unknown key {sorted(unknown)[0]}")
        return NodeResources(**values)
    except (ValueError, TypeError) as error:
        raise VocoError(f"{VARIABLE}: {error}; it is set when the pipeline is compiled: compile again") from None
