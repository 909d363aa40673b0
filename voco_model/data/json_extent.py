"""Where a JSON value ends, found in pieces: strings and brackets are followed, everything else is passed over."""

import re

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_FLAT = rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+"
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_NESTED = re.compile(_FLAT, re.DOTALL)
# Objects and lists without others inside are passed over whole where records have them, which is near the outside.
_WHOLE = _STRING + rb"|\{" + _FLAT + rb"\}|\[" + _FLAT + rb"\]"
_NEAR = re.compile(rb'(?:[^"\[\]{}]++|' + _WHOLE + rb")*+", re.DOTALL)
_OUTERMOST = re.compile(rb'(?:[^"\[{,\]]++|' + _WHOLE + rb")*+", re.DOTALL)
# Runs of brackets are taken at once: a file of nothing but brackets costs no more than any other.
_RUN = re.compile(rb"[\[{]++|[\]}]++")
_QUOTE, _BACKSLASH = b'"\\'
_OPENING = b"[{"


class Extent:
    """Follows one value until the `,` or `]` after it; the state is carried from piece to piece."""

    def __init__(self) -> None:
        self.deepest = 0
        """The most brackets open at once, to within one."""
        self._depth = 0
        self._in_string = False

    def follow(self, data: bytes, at: int, end: int) -> tuple[int, bool]:
        """Where it stopped, and whether the value ended there; if not, go on from there with more data."""
        while True:
            if self._in_string:
                at = _passed(_IN_STRING, data, at, end)
                if at == end or data[at] == _BACKSLASH:
                    return at, False
                self._in_string = False
                at += 1
            passing = _NESTED if self._depth > 2 else _NEAR if self._depth else _OUTERMOST
            at = _passed(passing, data, at, end)
            if at == end:
                return at, False
            if data[at] == _QUOTE:
                self._in_string = True
                at += 1
            elif not self._depth and data[at] not in _OPENING:
                return at, True
            else:
                at = self._brackets(data, at, end)

    def _brackets(self, data: bytes, at: int, end: int) -> int:
        """Count a run of opening or of closing brackets, the latter only as far as they belong to the value."""
        run = _passed(_RUN, data, at, end) - at
        if data[at] in _OPENING:
            self._depth += run
            self.deepest = max(self.deepest, self._depth)
        else:
            run = min(run, self._depth)
            self._depth -= run
        return at + run

    @property
    def open(self) -> bool:
        """Whether a bracket or a string is still open."""
        return self._in_string or self._depth > 0


def _passed(pattern: re.Pattern[bytes], data: bytes, at: int, end: int) -> int:
    """The end of what the pattern takes from here."""
    found = pattern.match(data, at, end)
    return found.end() if found else at
