"""Opening manifests, with the one line that a wrong one gets."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from voco_model.data.manifest import MANIFEST_NAME, SCHEMA
from voco_model.errors import VocoError


def manifest_path(given: Path) -> Path:
    """The manifest of a data set folder, or the file itself."""
    path = given / MANIFEST_NAME if given.is_dir() else given
    if not path.is_file():
        raise VocoError(f"{path}: no such manifest; give a folder that ingest wrote, or its manifest")
    return path


def open_manifest(given: Path, columns: Sequence[str] = SCHEMA.names) -> pq.ParquetFile:
    """The manifest's file, the columns that will be read checked."""
    path = manifest_path(given)
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise VocoError(f"{path}: cannot be read as Parquet ({error}); ingest the data set again") from None
    for column in map(SCHEMA.field, columns):
        there = file.schema_arrow.field(column.name).type if column.name in file.schema_arrow.names else None
        if there != column.type:
            wrong = "is missing" if there is None else f"is {there}, not {column.type}"
            raise VocoError(f"{path}: column {column.name} {wrong}; ingest the data set again")
    return file


def read_columns(given: Path, columns: list[str]) -> pa.Table:
    """Some columns of a manifest."""
    try:
        return open_manifest(given, columns).read(columns)
    except (pa.ArrowException, OSError) as error:
        raise VocoError(f"{manifest_path(given)}: damaged ({error}); ingest the data set again") from None


def text_lengths(given: Path) -> np.ndarray:
    """The text length of every record of a manifest."""
    return read_columns(given, ["text_length"]).column(0).to_numpy()
