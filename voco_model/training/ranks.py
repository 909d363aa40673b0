"""Ranks that decide, fail and stop together. What they tell each other is JSON; alone, everything is immediate."""

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed

from voco_model.errors import VocoError


def rank() -> int:
    """This process's number."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def ranks() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def any_rank(flag: bool) -> bool:
    """Whether it is true on at least one rank; all get the same answer."""
    return flag if ranks() == 1 else bool(_most(int(flag)))


def together(act: Callable[[], None]) -> None:
    """Each rank acts; where one fails with a VocoError, all fail with that error."""
    error = None
    try:
        act()
    except VocoError as raised:
        error = raised
    if ranks() == 1:
        if error is not None:
            raise error
        return
    failed = _most(rank() + 1 if error is not None else 0) - 1
    if failed >= 0:
        raise VocoError(_told(str(error), failed)) from error


def first_decides(decide: Callable[[], Any]) -> Any:
    """What rank 0 finds, as JSON carries it, on all ranks; its VocoError is raised on all."""
    found: list[Any] = [None]

    def on_first() -> None:
        if rank() == 0:
            found[0] = decide()

    together(on_first)
    return found[0] if ranks() == 1 else _told(found[0], 0)


def _most(number: int) -> int:
    """The greatest of all ranks' numbers."""
    tensor = torch.tensor([number], device=_device())
    distributed.all_reduce(tensor, distributed.ReduceOp.MAX)
    return int(tensor)


def _told(value: Any, by: int) -> Any:
    """One rank's value, on all ranks."""
    said = json.dumps(value).encode() if rank() == by else b""
    length = _most(len(said))
    letters = torch.frombuffer(bytearray(said.ljust(length)), dtype=torch.uint8).to(_device())
    distributed.broadcast(letters, by)
    return json.loads(_bytes(letters))


def _bytes(letters: Tensor) -> bytes:
    return letters.cpu().numpy().tobytes()


def _device() -> torch.device:
    """Where the backend's tensors must be."""
    on_gpu = distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
