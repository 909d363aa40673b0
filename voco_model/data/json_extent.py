"""Where a JSON value ends, found in pieces: strings and brackets are followed, everything else is passed over."""

import re

_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
# Runs of brackets are taken at once: a file of nothing but brackets costs no more than any other.
_NESTED = re.compile(rb'"|[\[{]++|[\]}]++')
_OUTERMOST = re.compile(rb'"|[\[{]++|[,\]]')
_QUOTE, _BACKSLASH = b'"\\'
_OPENING = b"[{"


class Extent:
    """Follows one value until the `,` or `]` after it; the state is carried from piece to piece."""

    def __init__(self) -> None:
        self.deepest = 0
        self._depth = 0
        self._in_string = False

    def follow(self, data: bytes, at: int, end: int) -> tuple[int, bool]:
        """Where it stopped, and whether the value ended there; if not, go on from there with more data."""
        while True:
            if self._in_string:
                at = _passed(data, at, end)
                if at == end or data[at] == _BACKSLASH:
                    return at, False
                self._in_string = False
                at += 1
            found = (_NESTED if self._depth else _OUTERMOST).search(data, at, end)
            if found is None:
                return end, False
            first, at = data[found.start()], found.end()
            if first == _QUOTE:
                self._in_string = True
            elif first in _OPENING:
                self._depth += at - found.start()
                self.deepest = max(self.deepest, self._depth)
            elif not self._depth:
                return found.start(), True
            else:
                closed = min(self._depth, at - found.start())
                self._depth -= closed
                at = found.start() + closed

    @property
    def open(self) -> bool:
        """Whether a bracket or a string is still open."""
        return self._in_string or self._depth > 0


def _passed(data: bytes, at: int, end: int) -> int:
    """The end of a string's inside: at its quote, at the data's end, or at a backslash with nothing after it."""
    found = _IN_STRING.match(data, at, end)
    return found.end() if found else at
