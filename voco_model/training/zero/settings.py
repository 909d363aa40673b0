"""DeepSpeed's configuration from a recipe, and the processes' meeting before the Trainer is made."""

import os
import warnings
from importlib.util import find_spec
from typing import Any

import torch

from voco_model.errors import VocoError
from voco_model.training.recipe import Recipe

BY_TRAINER = "auto"
"""Hugging Face's Trainer fills these in, from its own arguments or from the model's width."""
ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
"""What torchrun would tell a single process."""


def deepspeed_config(recipe: Recipe) -> dict[str, Any]:
    """For `TrainingArguments(deepspeed=...)`. The optimiser is ours, so that each part keeps its own rate."""
    return {
        "train_batch_size": BY_TRAINER,
        "train_micro_batch_size_per_gpu": BY_TRAINER,
        "gradient_accumulation_steps": BY_TRAINER,
        "gradient_clipping": BY_TRAINER,
        # Unasked, stages 1 and 2 step on a gradient that is no number: the guard counts on its being skipped.
        "bf16": {"enabled": BY_TRAINER, "check_grad_overflow": True},
        "zero_optimization": _sharing(recipe),
        # Adam in the host's memory is torch's too: DeepSpeed's own is compiled on first use.
        "zero_force_ds_cpu_optimizer": False,
    }


def _sharing(recipe: Recipe) -> dict[str, Any]:
    """What is shared out, where it lies, and how much is sent at once: the width squared, whatever the model."""
    stage, offload = recipe.device.zero, recipe.device.offload
    sharing: dict[str, Any] = {
        "stage": stage,
        "reduce_bucket_size": BY_TRAINER,
        "overlap_comm": True,
        "contiguous_gradients": True,
    }
    if stage == 3:
        sharing |= {
            "stage3_prefetch_bucket_size": BY_TRAINER,
            "stage3_param_persistence_threshold": BY_TRAINER,
        }
    host = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    if offload != "none":
        sharing["offload_optimizer"] = host
    if offload == "all":
        sharing["offload_param"] = host
    return sharing


def trainer_arguments(recipe: Recipe) -> dict[str, Any]:
    """What `TrainingArguments` needs besides; with ZeRO, the processes meet here (gloo where there is no GPU).

    Build models before, or in `whole_models()`: once these are given, Hugging Face makes each new model in shards.
    """
    if not recipe.device.zero:
        return {}
    if find_spec("deepspeed") is None:
        raise VocoError(
            f"device.zero is {recipe.device.zero}, and DeepSpeed is not installed; install"
            " voco-pipeline[training], or set device.zero to 0"
        )
    _meet()
    return {
        "deepspeed": deepspeed_config(recipe),
        "accelerator_config": {"use_configured_state": True},
    }


def _meet() -> None:
    """Start the process group ourselves: accelerate knows no backend for DeepSpeed without a GPU."""
    for name, value in ALONE.items():
        os.environ.setdefault(name, value)
    # DeepSpeed's calls of these, in every step.
    warnings.filterwarnings("ignore", "`torch.distributed.* is deprecated", FutureWarning)
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        os.environ["DS_ACCELERATOR"] = "cpu"
        import deepspeed.ops

        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # it would be compiled; gloo does as well
    from accelerate import PartialState

    PartialState._reset_state()
    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    try:
        PartialState(backend=None if on_gpu else "gloo")
    finally:
        del os.environ["ACCELERATE_USE_DEEPSPEED"]  # a later run of this process may be without
