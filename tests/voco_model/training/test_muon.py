"""Muon: steps of even singular values, for the matrices of the decoder's layers alone."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tests.voco_model.training.small_runs import recipe
from tests.voco_model.worlds import model
from voco_model.training.muon import ORTHOGONAL, SIZE, Muon, orthogonalised
from voco_model.training.optimiser import make_optimiser
from voco_model.training.recipe import Optimiser
from voco_model.training.stages import freeze


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 20), (2, 20, 6)])
def test_singular_values_are_made_alike(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape) @ torch.diag(torch.logspace(0, -1.5, shape[-1]))
    before, after = (torch.linalg.svdvals(x) for x in (matrices, orthogonalised(matrices)))
    assert float((before.amax(-1) / before.amin(-1)).max()) > 5
    assert float(after.min()) > 0.5
    assert float(after.max()) < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    alike = torch.nn.functional.cosine_similarity((left @ right).flatten(1), orthogonalised(matrices).flatten(1))
    assert float(alike.min()) > 0.95


def test_each_matrix_is_moved_by_itself():
    torch.manual_seed(1)
    matrices = torch.randn(4, 5, 9)
    alone = torch.cat([orthogonalised(one[None]) for one in matrices])
    torch.testing.assert_close(orthogonalised(matrices), alone)


def test_steps_are_as_large_as_adamws_whatever_the_gradients_size():
    for scale in (1e-6, 1e3):
        torch.manual_seed(2)
        matrix, bias = nn.Parameter(torch.zeros(16, 48)), nn.Parameter(torch.zeros(4))
        groups = [{"params": [matrix], ORTHOGONAL: True, "weight_decay": 0.0}, {"params": [bias]}]
        optimiser = Muon(groups, lr=0.01)
        matrix.grad, bias.grad = scale * torch.randn(16, 48), torch.full((4,), scale)
        optimiser.step()
        assert float(matrix.detach().square().mean().sqrt()) == pytest.approx(0.01 * SIZE, rel=0.25)
        assert bias.tolist() == pytest.approx([-0.01] * 4, rel=0.02)


def test_weights_decay_and_what_has_no_gradient_stays():
    kept, decayed = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3, 3))
    optimiser = Muon([{"params": [kept, decayed], ORTHOGONAL: True, "weight_decay": 0.5}], lr=0.1)
    decayed.grad = torch.zeros(3, 3)
    optimiser.step()
    assert torch.equal(kept.detach(), torch.ones(3, 3))
    torch.testing.assert_close(decayed.detach(), torch.full((3, 3), 0.95))


def test_the_decoders_matrices_go_by_it_and_nothing_else(tmp_path):
    made = model()
    freeze(made, recipe(tmp_path, tmp_path))
    optimiser = make_optimiser(made, Optimiser(lr=1e-3, kind="muon"))
    moved = {id(p) for group in optimiser.param_groups if group.get(ORTHOGONAL) for p in group["params"]}
    layers = made.language_model.get_decoder().layers
    assert moved == {id(m.weight) for m in layers.modules() if isinstance(m, nn.Linear)}
    every = [id(p) for group in optimiser.param_groups for p in group["params"]]
    assert sorted(every) == sorted(id(p) for p in made.parameters() if p.requires_grad)


def test_zero_cuts_up_what_it_moves(tmp_path):
    with pytest.raises(ValidationError, match="muon moves whole matrices, which ZeRO cuts up"):
        recipe(tmp_path, tmp_path, optimiser={"lr": 1e-3, "kind": "muon"}, device={"zero": 2})
