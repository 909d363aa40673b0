"""The images of a benchmark, from its manifest or from a list of digests."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data.contracts import near
from data.contracts.sources import read_columns
from voco_model.errors import VocoError

LINE = re.compile(r"([0-9a-f]{64})(?:\s+([0-9a-f]{16}))?", re.IGNORECASE)


@dataclass(frozen=True)
class ImageList:
    """Digests and perceptual hashes, each with a name for it in a report."""

    digests: list[str]
    digest_names: list[str]
    hashes: np.ndarray
    hash_names: list[str]


def read_images(given: Path) -> ImageList:
    """A benchmark's images: a data set folder, a manifest, or text with a SHA-256 in each line.

    A line may also hold a perceptual hash, after a blank: 16 hex digits.
    """
    if given.is_dir() or given.suffix == ".parquet":
        table = read_columns(given, ["digest", "perceptual_hash", "id"])
        label = given.name if given.is_dir() else given.parent.name or given.stem
        names = [f"{label}/{name}" for name in table.column("id").to_pylist()]
        return _images(table.column("digest").to_pylist(), table.column("perceptual_hash"), names)
    digests, hashes, names = [], [], []
    for number, line in enumerate(_lines(given), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = LINE.fullmatch(line.strip())
        if not found:
            expected = "a SHA-256 in 64 hex digits, and optionally 16 of a perceptual hash after a blank"
            raise VocoError(f"{given}: line {number} is not {expected}")
        digests.append(found[1].lower())
        hashes.append(found[2])
        names.append(f"{given.name} line {number}")
    return _images(digests, pa.chunked_array([pa.array(hashes, pa.string())]), names)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise VocoError(f"{path}: not text; give a manifest (.parquet) or a list of digests") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise VocoError(f"{path}: cannot be read ({reason}); give a benchmark's folder or manifest") from None


def _images(digests: list[Any], column: pa.ChunkedArray, names: list[str]) -> ImageList:
    hashes, telling = near.hashes_of(column)
    kept = [(digest, name) for digest, name in zip(digests, names, strict=True) if digest]
    return ImageList(
        [digest for digest, _ in kept],
        [name for _, name in kept],
        hashes[telling],
        [names[i] for i in np.flatnonzero(telling)],
    )
