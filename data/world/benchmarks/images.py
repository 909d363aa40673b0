"""Which pictures the benchmarks hold: training data must have none of them."""

import base64
import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from voco_model.files import whole_file

FOLDER = "benchmarks"
IMAGE_LIST = "images.parquet"
ENDINGS = (".jpg", ".png")
BARE = "SEED-Bench-image"
"""In this folder pictures have no ending."""


def image_list(out: Path) -> list[tuple[str, str]]:
    """Path below `out` and SHA-256 of every benchmark image; those in a TSV have their row's index behind `#`."""
    return [(name, hashlib.sha256(data).hexdigest()) for name, data in _images(out)]


def write_image_list(out: Path) -> None:
    """Id, digest and perceptual hash of every benchmark image, as a manifest calls them, in a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    from voco_model.data.media import difference_hash

    names, digests, hashes = [], [], []
    known: dict[str, str] = {}
    for name, data in _images(out):
        digest = hashlib.sha256(data).hexdigest()
        if digest not in known:
            with Image.open(io.BytesIO(data)) as image:
                known[digest] = difference_hash(image)
        names.append(name)
        digests.append(digest)
        hashes.append(known[digest])
    table = pa.table({"id": names, "digest": digests, "perceptual_hash": hashes})
    with whole_file(out / FOLDER / IMAGE_LIST) as temporary:
        pq.write_table(table, temporary)


def _images(out: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((out / FOLDER).rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.suffix == ".tsv":
            yield from ((f"{name}#{index}", data) for index, data in _inside(path))
        elif path.is_file() and (path.suffix in ENDINGS or path.parent.name == BARE):
            yield name, path.read_bytes()


def _inside(path: Path) -> Iterator[tuple[str, bytes]]:
    """The pictures in a TSV, each once: further rows of a question repeat it."""
    seen = set()
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["image"] not in seen:
                seen.add(row["image"])
                yield row["index"], base64.b64decode(row["image"])
