"""GPUs by name: their memory and how fast they multiply matrices in bf16."""

from dataclasses import dataclass

from voco_model.errors import VocoError

MIB = 2**20


@dataclass(frozen=True)
class Gpu:
    """What a data sheet says of one."""

    name: str
    memory: int
    """Bytes that the driver reports."""
    bf16: float
    """Dense bf16 operations per second, at most."""


_TABLE = (
    ("A10G-24GB", 22_502, 70e12),
    ("L4-24GB", 22_563, 121e12),
    ("L40S-48GB", 45_458, 362e12),
    ("A100-40GB", 40_326, 312e12),
    ("A100-80GB", 81_037, 312e12),
    ("H100-80GB", 81_079, 989e12),
    ("H200-141GB", 143_156, 989e12),
    ("B200-180GB", 182_642, 2250e12),
)
"""Name, MiB that a process can have, operations per second."""
GPUS = {name: Gpu(name, memory * MIB, speed) for name, memory, speed in _TABLE}


def gpu_named(name: str) -> Gpu:
    """The GPU of that name in the table."""
    if name not in GPUS:
        raise VocoError(f"device.gpu is {name}; give one of {', '.join(GPUS)}, or null")
    return GPUS[name]
