"""Rows of a Parquet file, few at a time: each with its number, or what is wrong with it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from voco_model.data.faults import Fault, Limits, check_text, shown
from voco_model.data.json_stream import Placed, too_long
from voco_model.errors import VocoError

_ROWS = 64
"""Rows decoded at a time: a dictionary can make a small file's rows as long as it likes."""
_DAMAGE = (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError)
"""What Arrow raises on content that is not what the file says it is."""
_JSON_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_null,
)


def read_parquet(file: BinaryIO, path: Path, limits: Limits) -> Iterator[Placed]:
    """(number, row as a dict, or Fault); a damaged row group is one fault, and the next is read.

    What the file's footer says is checked when this is called.
    """
    try:
        table = pq.ParquetFile(
            file, pre_buffer=False, buffer_size=limits.chunk, thrift_string_size_limit=limits.record_bytes
        )
        columns = [field.name for field in table.schema_arrow if _is_json(field.type)]
        groups = [table.metadata.row_group(i) for i in range(table.num_row_groups)]
    except _DAMAGE as error:
        raise VocoError(f"{path}: cannot be read as Parquet ({_first_line(error)}); get the file again") from None
    size = os.fstat(file.fileno()).st_size
    unpacked = sum(max(group.total_byte_size, 0) for group in groups)
    if unpacked > max(limits.unpacked, limits.ratio * size):
        many = f"{unpacked:,} bytes, more than {limits.ratio} times its size"
        raise VocoError(f"{path}: says that it unpacks to {many}; it is not read")
    return _rows(table, columns, [group.num_rows for group in groups], limits)


def _is_json(kind: pa.DataType) -> bool:
    """Whether a column's values are also JSON's; others (bytes, dates, maps) could not be kept with a record."""
    if pa.types.is_struct(kind):
        return all(_is_json(field.type) for field in kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_dictionary(kind):
        return _is_json(kind.value_type)
    return any(is_type(kind) for is_type in _JSON_TYPES)


def _rows(table: pq.ParquetFile, columns: list[str], counts: list[int], limits: Limits) -> Iterator[Placed]:
    before = 0
    for group, count in enumerate(counts):
        number = before
        try:
            for batch in table.iter_batches(_ROWS, row_groups=[group], columns=columns, use_threads=False):
                for row in _values(batch, limits):
                    number += 1
                    yield number, row
        except _DAMAGE as error:
            reason = f"the row group breaks off or is damaged ({_first_line(error)}); get the file again"
            yield number + 1, Fault("truncated", reason)
        before += max(count, 0)


def _values(batch: pa.RecordBatch, limits: Limits) -> Iterator[Any]:
    """A batch's rows; where one cannot be had together with the others, each on its own."""
    if batch.nbytes <= limits.record_bytes:
        try:
            rows = batch.to_pylist()
        except (ValueError, pa.ArrowException):
            pass
        else:
            yield from map(_checked, rows)
            return
    for i in range(batch.num_rows):
        row = batch.slice(i, 1)
        if row.nbytes > limits.record_bytes:
            yield too_long(limits)
            continue
        try:
            yield _checked(row.to_pylist()[0])
        except UnicodeDecodeError as error:
            yield Fault("bad_utf8", f"a cell's byte {error.start + 1} is not UTF-8")
        except (ValueError, pa.ArrowException) as error:
            yield Fault("wrong_shape", f"a cell cannot be read: {_first_line(error)}")


def _checked(row: dict[str, Any]) -> Any:
    try:
        check_text(row)
    except Fault as fault:
        return fault.with_traceback(None)
    return row


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return shown(lines[0], 200) if lines else type(error).__name__
