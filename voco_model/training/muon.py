"""Muon: the matrices of a decoder's layers go by their orthogonalised momentum, all else as AdamW does.

A step moves a matrix along its momentum with all singular values made alike, so that what a batch says softly
moves as far as what it says loudly. On small models, what needs a thousand of AdamW's steps to begin is learned in
a few hundred. The method is K. Jordan's (2024); steps are scaled as in "Muon is Scalable for LLM Training"
(arXiv 2502.16982), so that AdamW's rates serve.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial that brings singular values near 1, quickly rather than exactly: between 0.7 and 1.2."""
SIZE = 0.2
"""The root mean square of a step, at a rate of 1: about that of AdamW's."""
ORTHOGONAL = "orthogonal"
"""Marks the groups of parameters that are moved so."""


class Muon(torch.optim.AdamW):
    """Groups that are marked hold matrices; matrices of one shape are moved together, each by itself."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One step of all groups."""
        every = self.param_groups
        self.param_groups = [group for group in every if not group.get(ORTHOGONAL)]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = every
        for group in every:
            if group.get(ORTHOGONAL):
                self._move(group)
        return loss

    def _move(self, group: dict[str, Any]) -> None:
        alike: dict[torch.Size, list[Tensor]] = {}
        for matrix in group["params"]:
            if matrix.grad is not None:
                alike.setdefault(matrix.shape, []).append(matrix)
        for shape, matrices in alike.items():
            momenta = [self._momentum(matrix) for matrix in matrices]
            ahead = [m.grad.add(momentum, alpha=MOMENTUM) for m, momentum in zip(matrices, momenta, strict=True)]  # type: ignore[union-attr]
            moves = orthogonalised(torch.stack(ahead))
            rate = group["lr"] * SIZE * max(shape) ** 0.5
            for matrix, move in zip(matrices, moves, strict=True):
                matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(move, alpha=-rate)

    def _momentum(self, matrix: Tensor) -> Tensor:
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
            state["step"] = torch.zeros(())  # AdamW looks for one in every state that it reads back
        state["step"] += 1
        momentum: Tensor = state["momentum"]
        assert matrix.grad is not None
        return momentum.mul_(MOMENTUM).add_(matrix.grad)


def orthogonalised(matrices: Tensor) -> Tensor:
    """(n, rows, columns) with every matrix's singular values near 1, by a few Newton-Schulz steps."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x
