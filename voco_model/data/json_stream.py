"""One JSON value with what may be wrong with it, and JSON lines in constant memory."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from voco_model.data.byte_source import Window
from voco_model.data.faults import Fault, Limits, check_text
from voco_model.data.json_extent import Extent

Placed = tuple[int, Any]
"""A place, counted from 1, and a value or a Fault."""


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_not_json)


def parse(raw: bytes, limits: Limits, deepest: int | None = None) -> Any:
    """One JSON value, or the Fault it has; `deepest` is its depth where that is known."""
    try:
        return _parsed(raw, limits, deepest)
    except Fault as fault:
        return fault.with_traceback(None)


def _parsed(raw: bytes, limits: Limits, deepest: int | None) -> Any:
    if len(raw) > limits.record_bytes:
        raise too_long(limits)
    if deepest is None and raw.count(b"[") + raw.count(b"{") > limits.depth:
        _check_nul(raw)  # where it stands for a quote, a text's brackets only look like nesting
        extent = Extent()
        extent.follow(raw, 0, len(raw))
        deepest = extent.deepest
    if deepest is not None and deepest > limits.depth:
        raise Fault("too_deep", f"it is nested {deepest} deep; {limits.depth} is the most that is read")
    text = decode(raw)
    try:
        value = _DECODER.decode(text)
    except ValueError as error:
        raise Fault("bad_json", f"it is not JSON: {error}") from None
    if "\\u" in text:
        check_text(value)
    return value


def decode(raw: bytes) -> str:
    """A record's text; NUL and what is not UTF-8 are Faults that say where."""
    _check_nul(raw)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Fault("bad_utf8", f"its byte {error.start + 1} is not UTF-8") from None


def _check_nul(raw: bytes) -> None:
    if (nul := raw.find(b"\0")) >= 0:
        raise Fault("nul", f"its byte {nul + 1} is NUL")


def too_long(limits: Limits) -> Fault:
    """The fault of a record past the limit."""
    return Fault("too_long", f"it is longer than {limits.record_bytes:,} bytes, the most that is read")


def read_lines(window: Window, at: int, limits: Limits, line: int = 1) -> Iterator[Placed]:
    """JSON lines: (line, value or Fault) for each line that is not blank; the first is numbered `line`."""
    while True:
        end = window.data.find(b"\n", at)
        if end < 0 and len(window.data) - at > limits.record_bytes:
            yield line, too_long(limits)
            at = skip_line(window)
        elif end >= 0:
            if raw := window.data[at:end].strip():
                yield line, parse(raw, limits)
            at = end + 1
        elif window.more(at):
            at = 0
            continue
        else:
            break
        line += 1
    rest = window.data.strip()
    if window.broken:
        yield line, window.broken
    elif rest:
        yield line, _last(rest, limits)


def skip_line(window: Window) -> int:
    """Drop everything up to the next line's beginning, and say where that is."""
    end = -1
    while end < 0 and window.more(len(window.data)):
        end = window.data.find(b"\n")
    return end + 1


def _last(raw: bytes, limits: Limits) -> Any:
    """A last line without its end: if brackets are open, the file was cut."""
    value = parse(raw, limits)
    if isinstance(value, Fault) and value.code == "bad_json":
        extent = Extent()
        extent.follow(raw, 0, len(raw))
        if extent.open:
            return Fault("truncated", "the file breaks off in this line")
    return value
