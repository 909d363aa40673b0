"""Rows of a CSV file in constant memory, quoted newlines included: each with its line, or what is wrong with it.

A fault costs its own row only: a quote that is never closed ends with its line, and reading goes on at the next.
"""

import re
from collections.abc import Iterator

from voco_model.data.byte_source import Window
from voco_model.data.faults import Fault, Limits
from voco_model.data.json_stream import Placed, decode, skip_line, too_long

_CELL_BYTES = rb'(?:"(?:[^"]++|"")*+"|[^",\n][^,\n]*+|)'
_ROW = re.compile(_CELL_BYTES + rb"(?:," + _CELL_BYTES + rb")*+")
_CELL = re.compile(r',(?:"((?:[^"]++|"")*+)"|([^,]*+))')
_PATIENCE = 4
"""After so many of the longest rows were scanned in vain, a quote left open at a line's end is a fault at once."""


def read_rows(window: Window, at: int, limits: Limits, line: int = 1) -> Iterator[Placed]:
    """(line, row as a dict by the header, or Fault); where the header is bad, nothing else is read."""
    header: list[str] | None = None
    for place, raw, finished in _raw_rows(window, at, limits, line):
        row = raw if isinstance(raw, Fault) else _cells(raw)
        if isinstance(row, Fault):
            yield place, row
            if header is None:
                return
        elif header is None:
            header = [cell.strip() for cell in row]
        elif len(row) == len(header):
            yield place, dict(zip(header, row, strict=True))
        elif not finished and len(row) < len(header):
            yield place, Fault("truncated", "the file breaks off in this row")
        else:
            yield place, Fault("wrong_shape", f"it has {len(row)} cells and the header {len(header)}")


def _cells(raw: bytes) -> list[str] | Fault:
    try:
        text = decode(raw)
    except Fault as fault:
        return fault.with_traceback(None)
    # A comma before every cell, the first too, so that no match is empty.
    found = _CELL.finditer("," + text)
    return [cell[2] if cell[1] is None else cell[1].replace('""', '"') for cell in found]


def _raw_rows(window: Window, at: int, limits: Limits, line: int) -> Iterator[tuple[int, bytes | Fault, bool]]:
    """(line, the row's bytes or a Fault, whether the row has its line end)."""
    patience = _PATIENCE * limits.record_bytes
    while True:
        data = window.data
        end, unclosed, bad = _row_end(data, at)
        if end is not None:
            row = data[at:end].removesuffix(b"\r")
            if row:
                yield line, too_long(limits) if len(row) > limits.record_bytes else row, True
            line += 1 + row.count(b"\n")
            at = end + 1
            continue
        scanned = len(data) - at
        hopeless = bad or (unclosed and (patience <= 0 or scanned > limits.record_bytes))
        newline = data.find(b"\n", at)
        if not (hopeless and newline >= 0):
            if scanned > limits.record_bytes:
                yield line, too_long(limits), True
                line, at = line + 1, skip_line(window)
                continue
            if window.more(at):
                at = 0
                continue
            at, newline = 0, newline - at if newline >= 0 else -1
            if newline < 0:
                break
        patience -= scanned
        yield line, Fault("bad_csv", "it is not CSV: a quote is not closed, or text follows its end"), True
        line, at = line + 1, newline + 1
    rest = window.data.removesuffix(b"\r")
    if window.broken:
        yield line, window.broken, False
    elif rest:
        cut = Fault("truncated", "the file breaks off in a quoted cell") if unclosed or bad else rest
        yield line, cut, False


def _row_end(data: bytes, at: int) -> tuple[int | None, bool, bool]:
    """The row's line end, if it is here; whether a quote is still open; whether text follows a quote's end."""
    found = _ROW.match(data, at)
    end = found.end() if found else at
    after = data[end : end + 2]
    if after[:1] == b"\n" or after == b"\r\n":
        return end + after.index(b"\n"), False, False
    return None, after[:1] == b'"', after[:1] not in (b"", b'"') and after != b"\r"
