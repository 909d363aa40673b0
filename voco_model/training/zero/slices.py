"""Which elements of which parameter this rank keeps in float32, the same view of all of DeepSpeed's stages.

DeepSpeed lays a rank's share of many parameters into few flat tensors, and Adam's moments likewise. The stages
differ in how they cut; here each gives the same: runs of elements by the parameter's own name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

MASTER = "master"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Slice:
    """A run of one parameter's elements."""

    name: str
    start: int
    """Its first element, with the parameter laid flat."""
    values: dict[str, Tensor]
    """Views of the master weights and of Adam's moments; writing to them changes the optimiser's state."""

    def __len__(self) -> int:
        return self.values[MASTER].numel()


@dataclass(frozen=True)
class _Place:
    """Where a run of a parameter's elements lies in a flat tensor."""

    flat: int
    offset: int
    start: int
    length: int


def shape_of(parameter: Tensor) -> torch.Size:
    """A parameter's own shape; stage 3 leaves an empty tensor in its place."""
    return getattr(parameter, "ds_shape", parameter.shape)


def trained(engine: Any) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name."""
    return {name: p for name, p in engine.module.named_parameters() if p.requires_grad}


def slices(engine: Any) -> Iterator[Slice]:
    """What this rank keeps of all parameters that learn."""
    optimiser = engine.optimizer
    of_weights = engine.zero_optimization_stage() == 3
    flats = optimiser.fp32_partitioned_groups_flat if of_weights else optimiser.single_partition_of_fp32_groups
    locate = _in_stage_3 if of_weights else _in_stages_1_and_2
    for name, parameter in trained(engine).items():
        place = locate(optimiser, parameter)
        if place is None or place.length <= 0:
            continue
        flat = flats[place.flat]
        moments = adam_state(optimiser, flat)
        whole = {MASTER: flat.data} | {key: moments[key] for key in MOMENTS}
        yield Slice(name, place.start, {k: v.narrow(0, place.offset, place.length) for k, v in whole.items()})


def _in_stages_1_and_2(optimiser: Any, parameter: Any) -> _Place | None:
    mapping = parameter._hp_mapping
    if mapping is None:  # other ranks keep all of it
        return None
    own, flat = mapping.lp_fragment_address, mapping.hp_fragment_address
    return _Place(mapping.param_group_index, flat.start, own.start, own.numel)


def _in_stage_3(optimiser: Any, parameter: Any) -> _Place:
    """Each rank keeps an equal run; the last ones are padded."""
    flat, offset, length = optimiser.grad_position[optimiser.get_param_id(parameter)]
    start = torch.distributed.get_rank() * length
    return _Place(flat, offset, start, min(length, parameter.ds_numel - start))


def adam_state(optimiser: Any, flat: Tensor) -> dict[str, Tensor]:
    """Adam's state of a flat tensor; before the first step there is none, and it is made as Adam would."""
    state = optimiser.optimizer.state[flat]
    if not state:
        fused = optimiser.optimizer.defaults.get("fused")
        state["step"] = torch.zeros((), device=flat.device if fused else "cpu")
        state |= {key: torch.zeros_like(flat.data) for key in MOMENTS}
    return state


def flats_of(engine: Any) -> list[Tensor]:
    """The flat tensors that this rank's optimiser steps on."""
    optimiser = engine.optimizer
    if engine.zero_optimization_stage() == 3:
        return list(optimiser.fp32_partitioned_groups_flat)
    return list(optimiser.single_partition_of_fp32_groups)


def spread(engine: Any) -> None:
    """Bring changed masters into the weights that the model computes with, on all ranks."""
    optimiser = engine.optimizer
    if engine.zero_optimization_stage() < 3:
        optimiser.update_lp_params()
        return
    optimiser._partition_all_parameters()
    for number in range(len(optimiser.fp16_groups)):
        optimiser._reassign_or_swap_out_partitioned_parameters(number)
    if small := optimiser.persistent_parameters:  # kept whole on all ranks between steps
        small[0].all_gather(small)
