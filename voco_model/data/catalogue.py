"""What the loader knows of a data set before it opens a shard: a few columns of the manifest."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voco_model.data.manifest import MANIFEST_NAME
from voco_model.errors import VocoError

MEDIA_KINDS = ("text", "image", "video")
COLUMNS = ("id", "digest", "shard", "text_length", "media_kind", "duration", "split")
AGAIN = "ingest the data set again"


@dataclass(frozen=True)
class Catalogue:
    """Columns of the manifest, each with one entry for every chosen record."""

    folder: Path
    version: str
    """Digest of the manifest: the same for the same data only."""
    shard_names: list[str]
    numbers: np.ndarray
    """Row in the manifest, which is also the record's key in its shard."""
    ids: pa.Array
    digests: pa.Array
    """SHA-256 of the media in hexadecimal; null for text alone."""
    shards: np.ndarray
    """Place in `shard_names`."""
    media: np.ndarray
    """The same number for the same media; text alone has one of its own."""
    kinds: np.ndarray
    """Place in `MEDIA_KINDS`."""
    text_lengths: np.ndarray
    durations: np.ndarray
    """Seconds; 0 unless a video."""

    def __len__(self) -> int:
        return len(self.numbers)

    def shard_of(self, record: int) -> str:
        return self.shard_names[self.shards[record]]

    def id_of(self, record: int) -> str:
        return self.ids[record].as_py()

    def digest_of(self, record: int) -> str | None:
        return self.digests[record].as_py()


def read_catalogue(folder: Path | str, split: str | None = None) -> Catalogue:
    """The catalogue of a data set folder; `split` keeps the records of one split."""
    folder = Path(folder)
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise VocoError(f"{folder}: no {MANIFEST_NAME} there; give the folder that ingest wrote")
    try:
        with open(path, "rb") as file:
            version = hashlib.file_digest(file, "sha256").hexdigest()
        table = pq.read_table(path, columns=list(COLUMNS)).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise VocoError(f"{path}: cannot be read ({str(error).splitlines()[0]}); {AGAIN}") from None
    if missing := set(COLUMNS) - set(table.column_names):
        raise VocoError(f"{path}: has no column {', '.join(sorted(missing))}; {AGAIN}")
    table = table.append_column("number", pa.array(np.arange(len(table))))
    if split is not None:
        splits = pc.unique(table["split"]).to_pylist()
        table = table.filter(pc.equal(table["split"], split)).combine_chunks()
        if not len(table):
            raise VocoError(f"{path}: no record of the split '{split}'; there are {', '.join(sorted(splits))}")
    return _catalogue(folder, version, table)


def _catalogue(folder: Path, version: str, table: pa.Table) -> Catalogue:
    if not len(table):
        raise VocoError(f"{folder}: the data set has no records; see its quarantine.parquet for the reasons")
    if table["shard"].null_count:
        raise VocoError(f"{folder}: its manifest names no shards for some records; {AGAIN}")
    shards = _flat(pc.dictionary_encode(table["shard"]))
    names = shards.dictionary.to_pylist()
    for name in names:
        if Path(name).name != name or not (folder / "shards" / name).is_file():
            raise VocoError(f"{folder}: the shard {name} of its manifest is missing; fetch it, or {AGAIN}")
    kinds = pc.index_in(table["media_kind"], value_set=pa.array(MEDIA_KINDS))
    if kinds.null_count:
        raise VocoError(f"{folder}: a media_kind of its manifest is none of {', '.join(MEDIA_KINDS)}; {AGAIN}")
    return Catalogue(
        folder=folder,
        version=version,
        shard_names=names,
        numbers=table["number"].to_numpy(),
        ids=_flat(table["id"]),
        digests=_flat(table["digest"]),
        shards=shards.indices.to_numpy(),
        media=_media_numbers(_flat(table["digest"])),
        kinds=kinds.to_numpy(),
        text_lengths=table["text_length"].to_numpy(),
        durations=pc.fill_null(table["duration"], 0.0).to_numpy(),
    )


def _media_numbers(digests: pa.Array) -> np.ndarray:
    coded = digests.dictionary_encode()
    shared = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    own = len(coded.dictionary) + np.arange(len(digests))
    return np.where(shared < 0, own, shared)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.combine_chunks()
    return chunks.chunk(0) if isinstance(chunks, pa.ChunkedArray) else chunks
