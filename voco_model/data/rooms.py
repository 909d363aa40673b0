"""Memory that a loader's workers fill and its reader empties, again and again: nothing is copied or mapped anew.

New shared memory for each batch costs a worker a tenth of its time: every page is made, cleared and thrown away.
"""

import math
import mmap
import os
import weakref
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

FREE, TAKEN = 0, 1


class Lent(NamedTuple):
    """A tensor as a worker hands it over: which room it lies in, and how."""

    room: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Rooms:
    """Rooms of one size, some for each worker; made before the workers are forked, so that all see the same.

    Only its worker takes a room, and only the reader frees it, so no lock is needed. A worker without a free
    room, or with more than one holds, uses new shared memory, as torch's own collation does.
    """

    def __init__(self, workers: int, each: int, room_bytes: int) -> None:
        """each: rooms of a worker."""
        self.each, self.room_bytes = each, room_bytes
        self._reader = os.getpid()
        self._taken = np.frombuffer(mmap.mmap(-1, workers * each), dtype=np.uint8)
        self._bytes = np.frombuffer(mmap.mmap(-1, workers * each * room_bytes), dtype=np.uint8)

    def room(self, worker: int, shape: tuple[int, ...]) -> Tensor:
        """Bytes for a worker to fill; the room is taken when it hands them over, so before it may ask anew."""
        size = math.prod(shape)
        own = range(worker * self.each, (worker + 1) * self.each)
        free = next((number for number in own if self._taken[number] == FREE), None)
        if free is None or size > self.room_bytes:
            shared = torch.UntypedStorage._new_shared(size)
            return torch.empty(0, dtype=torch.uint8).set_(shared).view(shape)
        return torch.from_numpy(self._of(free)[:size]).view(shape)

    def hand_over(self, tensor: Tensor) -> Tensor | Lent:
        """Called by the worker: the room of a tensor that lies in one; any other tensor as it is."""
        number, at = divmod(tensor.data_ptr() - self._bytes.ctypes.data, self.room_bytes)
        if not 0 <= number < len(self._taken) or at:
            return tensor
        self._taken[number] = TAKEN
        return Lent(number, tuple(tensor.shape), tensor.stride())

    def receive(self, given: Tensor | Lent) -> Tensor:
        """Called by the reader: the tensor, whose room is free again when nobody holds it any more."""
        if isinstance(given, Tensor):
            return given
        held = self._of(given.room)
        weakref.finalize(held, self._free, given.room)
        return torch.from_numpy(held).as_strided(given.shape, given.strides)

    def _of(self, number: int) -> np.ndarray:
        return self._bytes[number * self.room_bytes : (number + 1) * self.room_bytes]

    def _free(self, number: int) -> None:
        if os.getpid() == self._reader:  # a forked child's copy going says nothing of the reader's
            self._taken[number] = FREE
