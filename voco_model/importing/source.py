"""A checkpoint folder as it lies on disk: its JSON, and its tensors by name. Nothing in it is trusted."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from voco_model.errors import VocoError

PICKLES = (".bin", ".pt", ".pth")
_CONVERT = (
    "import sys, torch, safetensors.torch as s;"
    " s.save_file({k: v.contiguous().clone() for f in sys.argv[2:]"
    " for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}, sys.argv[1])"
)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VocoError(f"{path} is missing; a checkpoint folder has one beside its weights") from None
    except (OSError, ValueError, RecursionError) as error:
        raise VocoError(f"{path} cannot be read as JSON: {error}; fetch it again") from error
    if not isinstance(value, dict):
        raise VocoError(f"{path} holds no JSON object; fetch it again")
    return value


@contextmanager
def described_by(path: Path) -> Iterator[None]:
    """What the libraries say of odd values in a configuration, as one line that names the file."""
    try:
        yield
    except VocoError:
        raise
    except (
        StrictDataclassError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, ArithmeticError
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())
        raise VocoError(f"{path} describes no model that can be built: {reason}") from error


class Weights:
    """A folder's tensors by name; each is read from its safetensors file only when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Any] = {}
        for path in _shards(folder):
            file = _open(path)
            twice = sorted(self._files.keys() & set(file.keys()))
            if twice:
                raise VocoError(f"{path} holds {twice[0]}, which another shard has too; fetch the folder again")
            self._files |= dict.fromkeys(file.keys(), file)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._files[name].get_slice(name).get_shape())

    def tensor(self, name: str) -> Tensor:
        """The tensor, mapped from its file; its pages are read when they are used."""
        tensor = self._files[name].get_tensor(name)
        if not tensor.is_floating_point():
            raise VocoError(
                f"{self.folder}: {name} is {tensor.dtype}; quantised weights are not read, use the original"
            )
        return tensor


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise VocoError(f"{path} is damaged or no safetensors file: {error}; fetch it again") from error


def _shards(folder: Path) -> list[Path]:
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if not index.is_file():
        raise _no_safetensors(folder)
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise VocoError(f"{index} has no weight_map; fetch it again")
    return [_shard(index, name) for name in sorted(set(map(str, names.values())))]


def _shard(index: Path, name: str) -> Path:
    if Path(name).name != name or "\\" in name:
        raise VocoError(f"{index} names {name!r}, which is not a file beside it; shards lie beside their index")
    path = index.parent / name
    if not path.is_file():
        raise VocoError(f"{index} names {name!r}, which is missing; fetch the folder again")
    return path


def _no_safetensors(folder: Path) -> VocoError:
    pickles = sorted(p for p in folder.glob("*") if p.suffix in PICKLES and p.name != "training_args.bin")
    if not pickles:
        return VocoError(f"{folder} has neither model.safetensors nor model.safetensors.index.json")
    chosen = [p for p in pickles if p.name.startswith("pytorch_model")] or pickles
    paths = shlex.join(str(p) for p in (folder / "model.safetensors", *chosen))
    return VocoError(
        f"{folder} has its weights as pickle ({chosen[0].name}), which can run code and is never loaded here;"
        f' convert it elsewhere, where it can do no harm: python -c "{_CONVERT}" {paths}'
    )
