"""State as safetensors and JSON: what is read back goes on exactly as what was written would have."""

import json
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import get_scheduler

from voco_model.errors import VocoError
from voco_model.training import state
from voco_model.training.muon import ORTHOGONAL, Muon


def matrices_apart(groups):
    """Every group's matrices in one of their own, marked for Muon."""
    given = [group["params"] if isinstance(group, dict) else [group] for group in groups]
    parts = [[p for p in own if (p.dim() == 2) == is_matrix] for own in given for is_matrix in (True, False)]
    marks = [{ORTHOGONAL: True} if own and own[0].dim() == 2 else {} for own in parts]
    return [{"params": own, "weight_decay": 0.0} | mark for own, mark in zip(parts, marks, strict=True) if own]


OPTIMISERS = {
    "adamw": lambda groups: torch.optim.AdamW(groups, fused=True),
    "adam_amsgrad": lambda groups: torch.optim.Adam(groups, amsgrad=True),
    "sgd_momentum": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, centered=True),
    "radam": torch.optim.RAdam,
    "asgd": torch.optim.ASGD,
    "adafactor": torch.optim.Adafactor,
    "muon": lambda groups: Muon(matrices_apart(groups)),
}


class Model(nn.Module):
    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, width), nn.Linear(width, 3)
        self.norm = nn.BatchNorm1d(width)
        self.tied = self.second.weight
        self.frozen = nn.Linear(4, 4).requires_grad_(False)

    def forward(self, x):
        return self.second(self.norm(self.first(self.frozen(x))))


def one_group(model):
    return [p for p in model.parameters() if p.requires_grad]


def grouped(model):
    """The same parameters in other groups and another order."""
    named = state.learning(model)
    weights = [p for name, p in named.items() if p.dim() > 1]
    others = [p for name, p in reversed(named.items()) if p.dim() < 2]
    return [{"params": others, "weight_decay": 0.0}, {"params": weights, "weight_decay": 0.0}]


def train(model, optimiser, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimiser.zero_grad()
        model(torch.randn(8, 4, generator=generator)).square().mean().backward()
        optimiser.step()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_any_optimiser_goes_on_in_other_groups(name, tmp_path):
    torch.manual_seed(0)
    one, other = Model(), Model()
    other.frozen.load_state_dict(one.frozen.state_dict())
    optimiser = OPTIMISERS[name](one_group(one))
    for group in optimiser.param_groups:
        group["weight_decay"] = 0.0
    train(one, optimiser, 3, seed=1)
    state.write_weights(one, tmp_path / state.WEIGHTS)
    numbers = state.write_optimiser(optimiser, one, tmp_path / state.OPTIMISER)
    train(one, optimiser, 3, seed=2)

    resumed = OPTIMISERS[name](grouped(other))
    state.read_weights(other, tmp_path / state.WEIGHTS)
    state.read_optimiser(resumed, other, tmp_path / state.OPTIMISER, json.loads(json.dumps(numbers)))
    train(other, resumed, 3, seed=2)
    for key, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[key]), key


def test_frozen_weights_are_not_written(tmp_path):
    state.write_weights(Model(), tmp_path / state.WEIGHTS)
    written = set(load_file(tmp_path / state.WEIGHTS))
    assert {"first.weight", "norm.running_mean"} < written
    assert not any(name.startswith("frozen") for name in written)


@pytest.mark.parametrize("other", ["wider", "more trained", "fewer trained"])
def test_weights_of_another_model_are_refused(other, tmp_path):
    state.write_weights(Model(), tmp_path / state.WEIGHTS)
    model = Model(6 if other == "wider" else 5)
    if other == "more trained":
        model.frozen.requires_grad_(True)
    if other == "fewer trained":
        model.first.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(VocoError, match=r"model\.safetensors: \w+\.\w+ is .* there and .* here"):
        state.read_weights(model, tmp_path / state.WEIGHTS)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_an_optimiser_of_other_parameters_is_refused(tmp_path):
    model = Model()
    optimiser = torch.optim.AdamW(one_group(model))
    train(model, optimiser, 1, seed=0)
    numbers = state.write_optimiser(optimiser, model, tmp_path / state.OPTIMISER)
    fewer = torch.optim.AdamW(model.first.parameters())
    with pytest.raises(VocoError, match="which does not learn here"):
        state.read_optimiser(fewer, model, tmp_path / state.OPTIMISER, numbers)


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant_with_warmup"])
def test_a_schedule_goes_on_where_it_was(kind):
    def made(lrs=(0.1, 0.01)):
        model = Model()
        parts = (model.first, model.second)
        groups = [{"params": part.parameters(), "lr": lr} for part, lr in zip(parts, lrs, strict=True)]
        optimiser = torch.optim.AdamW(groups)
        return optimiser, get_scheduler(kind, optimiser, 3, 20)

    optimiser, schedule = made()
    resumed, other = made()
    for _ in range(9):
        optimiser.step()
        schedule.step()
    state.move_schedule(other, schedule.last_epoch)
    for _ in range(5):
        assert [g["lr"] for g in resumed.param_groups] == [g["lr"] for g in optimiser.param_groups]
        assert other.get_last_lr() == schedule.get_last_lr()
        resumed.step(), other.step(), optimiser.step(), schedule.step()


def draws() -> list[float]:
    numbers = [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn()]
    return [*numbers, *torch.rand(3).tolist(), *torch.randn(3).tolist()]


@pytest.mark.parametrize("odd", [False, True])
def test_random_numbers_go_on_where_they_were(odd, tmp_path):
    state.draw_random_state(0, 0, 0)
    if odd:  # each generator of normals keeps its second one for later
        random.gauss(0, 1), np.random.randn()
    save_file(state.random_state(), tmp_path / "random.safetensors")
    expected = [draws() for _ in range(3)]
    draws()
    state.set_random_state(load_file(tmp_path / "random.safetensors"))
    assert [draws() for _ in range(3)] == expected


def test_random_numbers_of_ranks_steps_and_seeds_differ():
    seen = []
    for given in ((0, 1, 0), (0, 1, 1), (0, 2, 0), (1, 1, 0)):
        state.draw_random_state(*given)
        seen.append(draws())
        state.draw_random_state(*given)
        assert draws() == seen[-1]
    for column in zip(*seen, strict=True):
        assert len(set(column)) == len(seen)
