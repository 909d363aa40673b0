"""Two outputs held to each other: the first file that differs, in it the first value, and by how much."""

import json
import math
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.stepping.digests import content_of, files_below

TOLERANCE = 1e-4
"""Of what two values may differ by, over the greater of 1 and the recorded tensor's greatest value."""
TABLE, TENSORS, TEXTS = ".parquet", ".safetensors", (".json", ".jsonl")


@dataclass(frozen=True)
class Difference:
    """The first file of an output that is not the same."""

    file: str
    """In the output; empty where the output is a file itself."""
    what: str
    """In words: which value, by how much."""
    within: bool
    """Whether all files of the output agree within the tolerance."""


def difference(
    recorded: Path, again: Path, tolerance: float = TOLERANCE, leave_out: Container[str] = ()
) -> Difference | None:
    """What differs first in the order of the paths; None where every byte is the same.

    leave_out: names of folders that are not compared.
    """
    if recorded.is_file() or again.is_file():
        pairs: dict[str, tuple[Path, Path]] = {"": (recorded, again)}
    else:
        names = {p.relative_to(top).as_posix() for top in (recorded, again) for p in files_below(top)}
        held = [name for name in sorted(names) if not any(part in leave_out for part in Path(name).parts)]
        pairs = {name: (recorded / name, again / name) for name in held}
    found = [(name, told) for name, pair in pairs.items() if (told := _of_file(*pair, tolerance))]
    if not found:
        return None
    name, (what, _) = found[0]
    return Difference(name, what, all(within for _, (_, within) in found))


def _of_file(recorded: Path, again: Path, tolerance: float) -> tuple[str, bool] | None:
    """In words, and whether it is within the tolerance."""
    for path, said in ((again, "is missing this time"), (recorded, "is there this time only")):
        if not path.is_file():
            return said, False
    if content_of(recorded).sha256 == content_of(again).sha256:
        return None
    try:
        if recorded.suffix == TENSORS:
            return _of_tensors(recorded, again, tolerance)
        if recorded.suffix in (*TEXTS, TABLE):
            return _of_values(dict(_leaves(_read(recorded))), dict(_leaves(_read(again))), tolerance)
    except (ValueError, OSError) as error:
        return f"cannot be compared ({' '.join(str(error).split())[:200]})", False
    return "other bytes", False


def _of_tensors(recorded: Path, again: Path, tolerance: float) -> tuple[str, bool]:
    """Tensor by tensor: two models need not fit into memory."""
    from safetensors import safe_open

    first, within = "", True
    with safe_open(recorded, "pt") as old, safe_open(again, "pt") as new:
        theirs, ours = set(old.keys()), set(new.keys())
        for name in sorted(theirs | ours):
            if name not in theirs or name not in ours:
                what, near = f"tensor {name} is {'missing' if name in theirs else 'new'}", False
            else:
                what, near = _of_tensor(name, old.get_tensor(name), new.get_tensor(name), tolerance)
            first, within = first or what, within and near
    return first or "the same tensors, written otherwise", within


def _of_tensor(name: str, old: Any, new: Any, tolerance: float) -> tuple[str, bool]:
    import torch

    if old.shape != new.shape or old.dtype != new.dtype:
        return f"tensor {name}: {list(old.shape)} {old.dtype} became {list(new.shape)} {new.dtype}", False
    if torch.equal(old, new):
        return "", True
    apart = (old.double() - new.double()).abs()
    greatest = float(apart.max()) if not apart.isnan().any() else math.inf
    allowed = tolerance * max(1.0, float(old.double().abs().max()))
    return f"tensor {name}: greatest difference {greatest:.3g} (tolerance {allowed:.3g})", greatest <= allowed


def _of_values(old: Mapping[str, Any], new: Mapping[str, Any], tolerance: float) -> tuple[str, bool]:
    first, within = "", True
    for where in dict.fromkeys((*old, *new)):
        if where not in old or where not in new:
            what, near = f"{where} is {'missing' if where in old else 'new'}", False
        elif _same(old[where], new[where]):
            continue
        else:
            what = f"{where}: {_short(old[where])} became {_short(new[where])}"
            near = _near(old[where], new[where], tolerance)
        first, within = first or what, within and near
    return first or "the same values, written otherwise", within


def _same(old: Any, new: Any) -> bool:
    """Not as Python has it, where 1 is True, and NaN is not itself."""
    if isinstance(old, float) and isinstance(new, float) and math.isnan(old):
        return math.isnan(new)
    return isinstance(old, bool) is isinstance(new, bool) and bool(old == new)


def _near(old: Any, new: Any, tolerance: float) -> bool:
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in (old, new)):
        return False
    return abs(old - new) <= tolerance * max(1.0, abs(old))


def _read(path: Path) -> Any:
    if path.suffix == TABLE:
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pylist()
    text = path.read_text("utf-8")
    return (
        [json.loads(line) for line in text.splitlines() if line] if path.suffix == ".jsonl" else json.loads(text)
    )


def _leaves(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value with its place, such as rows.3.score."""
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in pairs:
            yield from _leaves(one, f"{above}.{key}" if above else str(key))
    else:
        yield above, value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
