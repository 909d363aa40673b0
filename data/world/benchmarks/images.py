"""Which pictures and clips the benchmarks hold: training data must have none of them."""

import base64
import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

from voco_model.files import whole_file

FOLDER = "benchmarks"
IMAGE_LIST = "images.parquet"
ENDINGS = (".jpg", ".png", ".mp4")
BARE = "SEED-Bench-image"
"""In this folder pictures have no ending."""


def image_list(out: Path) -> list[tuple[str, str]]:
    """Path below `out` and SHA-256 of each benchmark image or clip; one in a TSV has its index behind `#`."""
    return [(name, hashlib.sha256(data).hexdigest()) for name, data in _images(out)]


def write_image_list(out: Path) -> None:
    """Id, digest and perceptual hash of every benchmark image or clip, as in a manifest, in a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from voco_model.data.media import MediaFault, inspect_media

    names, digests, hashes = [], [], []
    known: dict[str, str | None] = {}
    for name, data in _images(out):
        digest = hashlib.sha256(data).hexdigest()
        if digest not in known:
            facts = inspect_media(data, "video" if name.endswith(".mp4") else "image")
            assert not isinstance(facts, MediaFault), f"{name}: {facts.reason}"
            known[digest] = facts.perceptual_hash
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
