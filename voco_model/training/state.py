"""A run's state as safetensors and JSON: the optimiser's, the schedule's, and that of all random numbers."""

import random
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from voco_model.errors import VocoError

WEIGHTS, OPTIMISER = "model.safetensors", "optimiser.safetensors"


class Stateful(Protocol):
    """Something whose state is ready for JSON."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def learning(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def changing(model: nn.Module) -> dict[str, Tensor]:
    """All of a model that training may change: what learns, and buffers that are saved.

    What is frozen need not be written again with every checkpoint: it is what the run started from, whose digest
    the checkpoint names. A projector is 20 million weights, the model around it 7 billion.
    """
    kept = model.state_dict().keys()
    return {name: b for name, b in model.named_buffers() if name in kept} | learning(model)


def write_weights(model: nn.Module, path: Path) -> None:
    """What may have changed since the run began."""
    save_file({name: tensor.detach().contiguous() for name, tensor in changing(model).items()}, path)


@torch.no_grad()
def read_weights(model: nn.Module, path: Path) -> None:
    """Bring the weights back; names and shapes must be those of the parameters that learn here."""
    if not path.is_file():
        raise VocoError(f"{path.parent}: holds no {path.name}; was it written with another device.zero? Resume so")
    with safe_open(path, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        ours = {name: tuple(tensor.shape) for name, tensor in changing(model).items()}
        for name in sorted(ours.keys() | shapes.keys()):
            if ours.get(name) != shapes.get(name):
                raise VocoError(
                    f"{path}: {name} is {_shape(shapes.get(name))} there and {_shape(ours.get(name))} here;"
                    " it is a checkpoint of another model or of other trained parts: give another out"
                )
        for name, tensor in changing(model).items():
            tensor.copy_(file.get_tensor(name))


def _shape(shape: tuple[int, ...] | None) -> str:
    return "not trained" if shape is None else f"of shape {list(shape)}"


def write_optimiser(optimiser: Optimizer, model: nn.Module, path: Path) -> dict[str, dict[str, Any]]:
    """The tensors go to `path` as NAME/KEY by the parameters' names; the numbers are returned for JSON."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    names = _names(optimiser, model)
    for number, state in optimiser.state_dict()["state"].items():
        name = names[number]
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{name}/{key}"] = value.contiguous()
            elif value is None or isinstance(value, bool | int | float):
                numbers.setdefault(name, {})[key] = value
            else:
                raise VocoError(
                    f"{type(optimiser).__name__} keeps {key} as {type(value).__name__}, not as a tensor"
                )
    save_file(tensors, path)
    return numbers


def read_optimiser(optimiser: Optimizer, model: nn.Module, path: Path, numbers: dict[str, dict[str, Any]]) -> None:
    """Bring the state back, however the parameters are grouped here; rates and the like stay as they are."""
    states: dict[str, dict[str, Any]] = {name: dict(values) for name, values in numbers.items()}
    for full, tensor in load_file(path).items():
        name, _, key = full.rpartition("/")
        # A copy: what is read is a view of the file, which will go, and lies askew in memory, where kernels that
        # take several numbers at once round otherwise.
        states.setdefault(name, {})[key] = tensor.clone()
    places = {name: number for number, name in enumerate(_names(optimiser, model))}
    if strange := sorted(states.keys() - places.keys()):
        raise VocoError(f"{path}: has the state of {strange[0]}, which does not learn here; give another out")
    groups = optimiser.state_dict()["param_groups"]
    by_number = {places[name]: state for name, state in states.items()}
    optimiser.load_state_dict({"state": by_number, "param_groups": groups})


def _names(optimiser: Optimizer, model: nn.Module) -> list[str]:
    """The parameters' names in the order in which torch numbers them."""
    names = {id(p): name for name, p in model.named_parameters()}
    return [names[id(p)] for group in optimiser.param_groups for p in group["params"]]


def move_schedule(schedule: LambdaLR, steps: int) -> None:
    """Set the rates that hold after so many steps, from the groups' own highest rates."""
    schedule.last_epoch, schedule._step_count = steps, steps + 1
    rates = [base * factor(steps) for base, factor in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)]
    for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    schedule._last_lr = rates


def random_state() -> dict[str, Tensor]:
    """Where this process's generators are: Python's, numpy's, torch's, and the current GPU's."""
    _, words, gauss = random.getstate()
    numpy_state = np.random.get_state(legacy=False)
    assert isinstance(numpy_state, dict)
    normals = [gauss is not None, gauss or 0.0, numpy_state["has_gauss"], numpy_state["gauss"]]
    tensors = {
        "python": torch.tensor(words),
        "numpy": torch.tensor([*numpy_state["state"]["key"].tolist(), numpy_state["state"]["pos"]]),
        "normals": torch.tensor(normals, dtype=torch.float64),
        "torch": torch.get_rng_state(),
    }
    return tensors | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {})


def set_random_state(tensors: dict[str, Tensor]) -> None:
    """Put the generators back to where they were."""
    python_has, python_gauss, numpy_has, numpy_gauss = tensors["normals"].tolist()
    random.setstate((3, tuple(tensors["python"].tolist()), python_gauss if python_has else None))
    *key, place = tensors["numpy"].tolist()
    np.random.set_state(("MT19937", np.array(key, dtype=np.uint32), place, int(numpy_has), numpy_gauss))
    torch.set_rng_state(tensors["torch"])
    if "cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["cuda"])


def draw_random_state(seed: int, step: int, rank: int) -> None:
    """Generators for a rank that has no state to go on from, unlike those of any other rank, step or seed."""
    words = np.random.SeedSequence([seed, step, rank]).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    torch.manual_seed(int(words[2]))  # of all GPUs, too
