"""A recipe as a TrainJob (trainer.kubeflow.org/v1alpha1): all that a pod needs beyond it stands in the runtime."""

import hashlib
import os
from pathlib import Path
from typing import Any

from components.train_jobs.nodes import NodeResources
from voco_model.errors import VocoError
from voco_model.training.folder import recipe_digest
from voco_model.training.recipe import Recipe

GROUP, VERSION, PLURAL = "trainer.kubeflow.org", "v1alpha1", "trainjobs"
RUNTIME = "voco-training"
"""The TrainingRuntime of `infra/kubernetes/base/training-runtime.yaml`."""
REPLICATED_JOB = "node"
"""The runtime's name for the job whose pods are the nodes, and for their container."""
MANAGER = "voco.pipeline/step"
"""Whose patch of the runtime it is."""
RECIPE = "voco/recipe"
"""The annotation with the recipe's digest: a job of that name with another recipe is none of ours."""


def job_name(recipe: Recipe, run: str) -> str:
    """The same for every try of the same work of a run; a valid DNS label, short enough for its pods' names."""
    digest = hashlib.sha256(f"{run}\n{recipe.out}".encode()).hexdigest()[:10]
    return f"{recipe.stage.replace('_', '-')}-{digest}"


def train_job(recipe: Recipe, recipe_file: Path, run: str, nodes: NodeResources) -> dict[str, Any]:
    """The manifest. Nodes find each other by the variables that the Trainer sets, as `find_place` reads them."""
    check_nodes(recipe, nodes)
    trainer: dict[str, Any] = {
        "numNodes": recipe.device.nodes,
        "numProcPerNode": recipe.device.gpus_per_node,
        "command": ["voco", recipe.stage.replace("_", "-"), "--config", str(recipe_file)],
        "resourcesPerNode": _resources(nodes),
    }
    if image := nodes.image or os.environ.get("VOCO_IMAGE"):  # the step's own, as its record says
        trainer["image"] = image
    spec: dict[str, Any] = {
        "runtimeRef": {"apiGroup": GROUP, "kind": "TrainingRuntime", "name": RUNTIME},
        "trainer": trainer,
        "activeDeadlineSeconds": nodes.deadline,
    }
    if nodes.selector:
        spec["runtimePatches"] = [_on_nodes(dict(nodes.selector))]
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TrainJob",
        "metadata": {
            "name": job_name(recipe, run),
            "labels": {"app.kubernetes.io/part-of": "voco", "voco/stage": recipe.stage.replace("_", "-")},
            "annotations": {"voco/run": run, RECIPE: recipe_digest(recipe)},
        },
        "spec": spec,
    }


def check_nodes(recipe: Recipe, nodes: NodeResources) -> None:
    """Refuse resources that are not what the recipe was made for."""
    device = recipe.device
    if device.nodes != nodes.nodes:
        raise VocoError(f"device.nodes is {device.nodes}, the step's resources say {nodes.nodes}; make them agree")
    if device.gpu is not None and device.gpus_per_node != nodes.gpus:
        raise VocoError(
            f"device.gpus_per_node is {device.gpus_per_node}, the step's resources say {nodes.gpus};"
            " make them agree"
        )


def _resources(nodes: NodeResources) -> dict[str, Any]:
    amounts = {"cpu": nodes.cpu, "memory": nodes.memory}
    if nodes.gpus:
        amounts["nvidia.com/gpu"] = str(nodes.gpus)
    return {"requests": amounts, "limits": dict(amounts)}


def _on_nodes(selector: dict[str, str]) -> dict[str, Any]:
    """The runtime's pods on nodes with these labels."""
    pod = {"spec": {"nodeSelector": selector}}
    job = {"name": REPLICATED_JOB, "template": {"spec": {"template": pod}}}
    return {"manager": MANAGER, "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [job]}}}}
