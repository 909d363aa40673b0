"""The memory that a recipe needs on each GPU, estimated without the model; what to change if it is too much."""

from dataclasses import dataclass

import torch
from torch import nn

from voco_model.config import VocoConfig
from voco_model.training.gpus import Gpu
from voco_model.training.recipe import Device, Part, Recipe
from voco_model.training.stages import freeze, parts_of
from voco_model.training.step_trace import DTYPES, MicroBatch, StepTrace

GB = 1e9
MOMENTS, MASTER = 8, 4
"""Bytes that Adam keeps for a trained parameter; the float32 copy that ZeRO updates."""
BUCKET = 500_000_000
"""Parameters that ZeRO has under way at once: gradients being reduced, or weights gathered."""
RESERVED = 0.08
"""Share of a GPU left to the driver, to NCCL, and to holes between tensors."""


@dataclass(frozen=True)
class PartSize:
    """One part's parameters."""

    parameters: int
    trained: int


def part_sizes(model: nn.Module, recipe: Recipe) -> dict[Part, PartSize]:
    """Parameters of each part, and how many of them the recipe trains; the model may be on the meta device."""
    freeze(model, recipe)
    sizes = {}
    for name, part in parts_of(model).items():
        counts = [(p.numel(), p.numel() if p.requires_grad else 0) for p in part.parameters()]
        sizes[name] = PartSize(sum(n for n, _ in counts), sum(n for _, n in counts))
    return sizes


@dataclass(frozen=True)
class Need:
    """Bytes, by what they are for."""

    gpu: dict[str, int]
    """On one device."""
    host: int
    """In the memory of one node, where ZeRO offloads."""

    @property
    def total(self) -> int:
        return sum(self.gpu.values())


def state_need(sizes: dict[Part, PartSize], device: Device) -> Need:
    """Weights, gradients and optimiser, as ZeRO spreads them."""
    parameters = sum(size.parameters for size in sizes.values())
    trained = sum(size.trained for size in sizes.values())
    in_zero = device.zero > 0
    width = DTYPES[device.precision].itemsize if in_zero else torch.float32.itemsize
    optimiser = trained * (MOMENTS + (MASTER if in_zero else 0))
    gradients = trained * width
    buffers = 0
    if in_zero:
        buffers = min(BUCKET, trained) * width * 2
        if device.zero == 3:
            buffers += min(2 * BUCKET, parameters) * width
    elif device.processes > 1:
        buffers = gradients  # DistributedDataParallel reduces in buckets of their own
    weights = parameters * width
    ranks = device.processes
    weights = -(-weights // ranks) if device.zero == 3 else weights
    gradients = -(-gradients // ranks) if device.zero >= 2 else gradients
    optimiser = -(-optimiser // ranks) if in_zero else optimiser
    host = 0
    if device.offload != "none":
        host, optimiser = host + optimiser + gradients, 0
        gradients = 0
    if device.offload == "all":
        host, weights = host + weights, 0
    gpu = {"weights": weights, "gradients": gradients, "optimiser": optimiser, "ZeRO's buffers": buffers}
    if not in_zero:
        gpu["gradients being reduced"] = gpu.pop("ZeRO's buffers")
    return Need({name: size for name, size in gpu.items() if size}, host * device.gpus_per_node)


def disk_need(sizes: dict[Part, PartSize], recipe: Recipe) -> int:
    """Bytes of the run's folder: the model, and the checkpoints kept, the best, and the one being written."""
    whole = sum(size.parameters for size in sizes.values()) * torch.float32.itemsize
    checkpoint = sum(size.trained for size in sizes.values()) * (torch.float32.itemsize + MOMENTS)
    return whole + (recipe.saving.keep + 2) * checkpoint


def activation_need(recipe: Recipe, config: VocoConfig, batch: MicroBatch, trace: StepTrace) -> dict[str, int]:
    """What a micro batch needs beside the model: kept by the forward, then the widest point of the backward."""
    device, text = recipe.device, config.text_config
    pictures = batch.groups * batch.pictures
    at_once = min(1.0, (recipe.objective.frames_at_once or pictures) / max(1, pictures))
    if recipe.objective.stop_gradient:
        at_once = 0.0
    one_layer = trace.layer.pictures * at_once + trace.layer.text
    kept = trace.whole.pictures * at_once + trace.whole.text
    if device.gradient_checkpointing:
        kept -= (text.num_hidden_layers - 1) * one_layer
        before, after = trace.layer.layer_input
        kept += text.num_hidden_layers * (before * at_once + after)
    itemsize, taught = DTYPES[device.precision].itemsize, recipe.objective.distillation.weight > 0
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    per_token = 2 * text.num_hidden_layers * text.num_key_value_heads * head * itemsize
    return {
        "activations": int(kept),
        "backward of one layer": int(one_layer),
        "VoCo keys and values": int(pictures * config.n_voco * per_token),
        # As computed, in float32 for the loss, and the gradients of both.
        "logits": (1 + taught)
        * batch.rows
        * batch.labels
        * text.vocab_size
        * 2
        * (itemsize + torch.float32.itemsize),
    }


@dataclass(frozen=True)
class Verdict:
    """Whether it fits on the GPU."""

    fits: bool
    says: str


def verdict(need: Need, gpu: Gpu, recipe: Recipe) -> Verdict:
    """Held against what the GPU has to give."""
    usable = gpu.memory * (1 - RESERVED)
    if need.total <= usable:
        return Verdict(
            True, f"fits: {need.total / GB:.1f} GB of {usable / GB:.1f} GB that a {gpu.name} has to give"
        )
    over = (need.total - usable) / GB
    way = " or ".join(_ways_out(recipe)) or "take a larger GPU, or more of them"
    return Verdict(False, f"does not fit on a {gpu.name} by {over:.1f} GB: set {way}")


def _ways_out(recipe: Recipe) -> list[str]:
    """Settings that need less, the cheapest first."""
    device, data = recipe.device, recipe.data
    share = data.micro_batch or data.batch_size // device.processes
    ways = []
    if share > 1:
        smaller = next(n for n in range(share // 2, 0, -1) if share % n == 0)
        ways.append(f"data.micro_batch={smaller}")
    if not device.gradient_checkpointing:
        ways.append("device.gradient_checkpointing=true")
    if recipe.stage == "continue_video" and recipe.objective.frames_at_once is None:
        ways.append("objective.frames_at_once=4")
    if device.zero < 3 and device.processes > 1:
        ways.append("device.zero=3")
    elif device.offload == "none" and device.zero >= 2:
        ways.append("device.offload=optimiser")
    return ways
