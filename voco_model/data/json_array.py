"""The elements of a JSON array in constant memory: each with its place, or with what is wrong with it.

A fault costs its own record only. A missing quote or bracket would swallow all that follows, so a record that does
not parse is ended where the next begins, with `{"key":` and the first record's first key or one that is expected.
These bytes stand in no string of valid JSON, because a quote within a string is escaped.
"""

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from voco_model.data.byte_source import Window
from voco_model.data.faults import Fault, Limits
from voco_model.data.json_extent import Extent
from voco_model.data.json_stream import Placed, parse, too_long

_FIRST_KEY = re.compile(rb'\{[ \t\r\n]{0,64}+"([^"\\]{1,64}+)"[ \t\r\n]{0,8}+:')
_OVERLAP = 256
"""Bytes in which a record's beginning fits, however the chunks fall."""
_PATIENCE = 4
"""After so many of the longest records were scanned in vain, a record ends where the next seems to begin."""


class _Then(Enum):
    """What follows an element."""

    ELEMENT = 1
    ARRAY_END = 2
    FILE_END = 3


class ArrayReader:
    """Iterated, gives (number, value or Fault) of each element.

    at: where the `[` stands.
    keys: what a record's first key may be, beside the first record's own.
    """

    def __init__(self, window: Window, at: int, limits: Limits, keys: Iterable[str] = ()) -> None:
        self._window = window
        self._at = at + 1
        self._limits = limits
        self._keys = {re.escape(key.encode()) for key in keys}
        self._beginning = _beginning(self._keys)
        self._learned = False
        self._patience = _PATIENCE * limits.record_bytes

    def __iter__(self) -> Iterator[Placed]:
        number, then = 0, _Then.ELEMENT
        while then is not _Then.FILE_END:
            number += 1
            if then is _Then.ELEMENT:
                value, then = self._element(first=number == 1)
            else:
                value, then = self._after_the_end()
            if value is not _NOTHING:
                yield number, value

    def _element(self, first: bool) -> tuple[Any, _Then]:
        """The element that begins here; on return we stand after it."""
        window, limits = self._window, self._limits
        self._at, _ = window.skip_space(self._at)
        if first and window.data[self._at : self._at + 1] == b"]":
            self._at += 1
            return _NOTHING, _Then.ARRAY_END
        self._learn()
        extent, at = Extent(), self._at
        while True:
            cut = self._next() if self._patience <= 0 else None
            ended = False
            if cut is None or at < cut:
                at, ended = extent.follow(window.data, at, len(window.data) if cut is None else cut)
            if ended:
                return self._complete(at, extent.deepest)
            if cut is not None:
                return self._cut_at(cut, at, self._unclosed(extent))
            if at - self._at > limits.record_bytes:
                return self._given_up(at, extent) or self._skipped(at, extent)
            seen = at - self._at
            if not window.more(self._at):
                self._at = 0
                return self._given_up(seen, extent) or self._last(extent)
            self._at, at = 0, seen

    def _complete(self, end: int, deepest: int) -> tuple[Any, _Then]:
        data = self._window.data
        value = parse(data[self._at : end], self._limits, deepest)
        if isinstance(value, Fault) and value.code in ("bad_json", "too_deep"):
            cut = self._next(end)
            if cut is not None:
                return self._cut_at(cut, end, value)
        self._at = end + 1
        return value, _Then.ARRAY_END if data[end] == ord("]") else _Then.ELEMENT

    def _given_up(self, scanned: int, extent: Extent) -> tuple[Any, _Then] | None:
        """The element as ended where the next seems to begin, if one does."""
        cut = self._next()
        return None if cut is None else self._cut_at(cut, scanned, self._unclosed(extent))

    def _cut_at(self, cut: int, scanned: int, fault: Fault) -> tuple[Any, _Then]:
        self._patience -= max(scanned - cut, 0)
        self._at = cut
        return fault, _Then.ELEMENT

    def _unclosed(self, extent: Extent) -> Fault:
        if extent.deepest > self._limits.depth:
            return Fault("too_deep", f"it is nested {extent.deepest} deep; {self._limits.depth} is the most")
        return Fault("bad_json", "it is not JSON: a quote or bracket is not closed before the next record begins")

    def _last(self, extent: Extent) -> tuple[Any, _Then]:
        """What stands where the file ends: a whole element, after which it breaks off, or a part of one."""
        raw, self._at = self._window.data, len(self._window.data)
        if not extent.open and raw.rstrip().endswith(b"}"):
            return parse(raw, self._limits, extent.deepest), _Then.ELEMENT
        return self._window.broken or Fault("truncated", "the array breaks off before its end"), _Then.FILE_END

    def _skipped(self, at: int, extent: Extent) -> tuple[Any, _Then]:
        """An element past the limit: passed over without being held."""
        window, fault = self._window, too_long(self._limits)
        while True:
            keep = max(at - _OVERLAP, 0)
            if not window.more(keep):
                self._at = len(window.data)
                return window.broken or fault, _Then.FILE_END
            self._at, at = 0, at - keep
            cut = self._next()
            at, ended = extent.follow(window.data, at, len(window.data) if cut is None else max(cut, at))
            if ended:
                self._at = at + 1
                return fault, _Then.ARRAY_END if window.data[at] == ord("]") else _Then.ELEMENT
            if cut is not None:
                self._at = cut
                return fault, _Then.ELEMENT

    def _after_the_end(self) -> tuple[Any, _Then]:
        """What stands after the array: nothing, or a fault, after which records may go on."""
        window = self._window
        self._at, _ = window.skip_space(self._at)
        if self._at == len(window.data):
            return window.broken or _NOTHING, _Then.FILE_END
        fault = Fault("bad_json", "text stands after the array's end")
        while (cut := self._next()) is None:
            keep = max(len(window.data) - _OVERLAP, self._at)
            self._at = 0
            if not window.more(keep):
                return window.broken or fault, _Then.FILE_END
        self._at = cut
        return fault, _Then.ELEMENT

    def _learn(self) -> None:
        """How records begin, from the first that is an object."""
        if self._learned:
            return
        self._at = self._window.ahead(self._at, _OVERLAP)
        if found := _FIRST_KEY.match(self._window.data, self._at):
            self._learned = True
            self._beginning = _beginning({*self._keys, re.escape(found[1])})

    def _next(self, end: int | None = None) -> int | None:
        """Where, after this byte and before `end`, another record seems to begin."""
        data = self._window.data
        found = self._beginning and self._beginning.search(data, self._at + 1, len(data) if end is None else end)
        return found.start() if found else None


def _beginning(keys: set[bytes]) -> re.Pattern[bytes] | None:
    """What a record begins with, if its first key is one of these, escaped ones."""
    if not keys:
        return None
    return re.compile(rb'\{[ \t\r\n]{0,64}+"(?:' + b"|".join(sorted(keys)) + rb')"[ \t\r\n]{0,8}+:')


_NOTHING = object()
