"""ZeRO by DeepSpeed: optimiser state, gradients and weights shared out over the ranks.

DeepSpeed is imported inside functions alone, and only where a recipe's `device.zero` is above 0.
"""

from voco_model.training.zero.settings import deepspeed_config, trainer_arguments
from voco_model.training.zero.shards import read_state, write_state
from voco_model.training.zero.whole import save_model, whole_models

__all__ = [
    "deepspeed_config",
    "read_state",
    "save_model",
    "trainer_arguments",
    "whole_models",
    "write_state",
]
