"""The optimiser: AdamW or Muon with a group of parameters for each part, and what is never decayed."""

from typing import Any

import torch
from torch import nn

from voco_model.errors import VocoError
from voco_model.training.muon import ORTHOGONAL, Muon
from voco_model.training.recipe import Optimiser
from voco_model.training.stages import parts_of

SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
"""The recipe's names to Hugging Face's."""
MATRICES = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def parameter_groups(model: nn.Module, settings: Optimiser) -> list[dict[str, Any]]:
    """Each part's parameters with its rate: Muon's matrices, decayed matrices, then all that is not decayed."""
    groups: list[dict[str, Any]] = []
    hidden = _hidden(model) if settings.kind == "muon" else set()
    taken: set[int] = set()
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    for name, part in parts_of(model).items():
        moved: list[nn.Parameter] = []
        decayed: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for module in part.modules():
            for parameter in module.parameters(recurse=False):
                if not parameter.requires_grad or id(parameter) in taken:
                    continue
                taken.add(id(parameter))
                is_matrix = (
                    isinstance(module, MATRICES) and parameter.dim() > 1 and id(parameter) not in embeddings
                )
                (moved if id(parameter) in hidden else decayed if is_matrix else others).append(parameter)
        rate = settings.lr_of.get(name, settings.lr)
        for chosen, decay in ((moved, settings.weight_decay), (decayed, settings.weight_decay), (others, 0.0)):
            if chosen:
                marked = {ORTHOGONAL: True} if chosen is moved else {}
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay, "part": name, **marked})
    learning: set[Any] = {group["part"] for group in groups}
    if idle := [part for part in settings.lr_of if part not in learning]:
        raise VocoError(
            f"optimiser.lr_of has a rate for {idle[0]}, which does not learn in this run;"
            f" remove it ({', '.join(sorted(learning))} learn)"
        )
    return groups


def make_optimiser(model: nn.Module, settings: Optimiser) -> torch.optim.AdamW:
    """One kernel for all parameters of a group: on small models, one for each costs as much as the backward."""
    groups = parameter_groups(model, settings)
    if settings.kind == "muon":
        return Muon(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=True)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=True)


def _hidden(model: nn.Module) -> set[int]:
    """The matrices of the decoder's layers."""
    language: Any = parts_of(model)["language"]
    layers = language.get_decoder().layers
    return {id(module.weight) for module in layers.modules() if isinstance(module, nn.Linear)}
