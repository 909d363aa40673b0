"""Files far larger than memory may be, made while they are read; hostile ones cost time in proportion only."""

import io
import itertools
import tracemalloc

import pytest

from tests.voco_model.data.malformed import chat, dumped
from voco_model.data.byte_source import ByteSource, Window
from voco_model.data.csv_stream import read_rows
from voco_model.data.faults import Fault, Limits
from voco_model.data.json_array import ArrayReader
from voco_model.data.json_extent import Extent
from voco_model.data.json_stream import read_lines

SMALL = Limits(record_bytes=1 << 20)


class Endless(io.RawIOBase):
    """A file of a beginning, one piece over and over until a size is reached, and an end."""

    def __init__(self, start: bytes, piece: bytes, size: int, end: bytes = b""):
        block = piece * max((1 << 20) // len(piece), 1)
        blocks = itertools.repeat(block, max(size // len(block), 1))
        self.pieces = itertools.chain([start], blocks, [end])
        self.waiting = b""

    def read(self, n=-1):
        while len(self.waiting) < n and (piece := next(self.pieces, None)) is not None:
            self.waiting += piece
        given, self.waiting = self.waiting[:n], self.waiting[n:]
        return given

    def seek(self, *_):
        # Only ever back to the beginning, from its first two bytes.
        self.waiting = self.first + self.waiting
        return 0


def opened(start, piece, size, end=b"", limits=SMALL):
    file = Endless(start, piece, size, end)
    file.first = start[:2]
    window = Window(ByteSource(file, limits))
    window.more(0)
    return window


def peak_of(rows):
    """How many values, which faults, and how much memory at once."""
    tracemalloc.start()
    values, codes = 0, []
    try:
        for _, value in rows:
            if isinstance(value, Fault):
                codes.append(value.code)
            else:
                values += 1
        return values, codes, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BIG = dumped(chat(1, note="word " * 20_000))


def test_an_array_of_200_mb_is_read_in_constant_memory():
    window = opened(b"[" + BIG, b"," + BIG, 200 << 20, b"]")
    values, codes, peak = peak_of(ArrayReader(window, 0, SMALL))
    assert values > 1900
    assert not codes
    assert peak < 8 << 20


def test_lines_of_200_mb_are_read_in_constant_memory():
    window = opened(BIG + b"\n", BIG + b"\n", 200 << 20)
    values, codes, peak = peak_of(read_lines(window, 0, SMALL))
    assert values > 1900
    assert not codes
    assert peak < 8 << 20


@pytest.mark.parametrize("start", [b'[{"id": "', b'[{"id": 1, "x": [', b"[", b'["'], ids=lambda s: s.decode())
@pytest.mark.parametrize("piece", [b"x", b" ", b"\\n", b"[", b"\0"], ids=repr)
def test_an_element_of_48_mb_is_passed_over_without_being_held(start, piece):
    window = opened(start, piece, 48 << 20)
    values, codes, peak = peak_of(ArrayReader(window, 0, SMALL))
    assert not values
    assert codes in (["too_long"], ["truncated"])
    assert peak < 8 << 20


@pytest.mark.parametrize("piece", [b"x", b" ", b'"', b"[", b"\0", b'",'], ids=repr)
@pytest.mark.parametrize("reader", [read_lines, read_rows])
def test_a_line_of_48_mb_is_passed_over_without_being_held(reader, piece):
    window = opened(b"id,name\n1,", piece, 48 << 20, b"\n1,2\n")
    values, codes, peak = peak_of(reader(window, 0, SMALL))
    assert "too_long" in codes
    assert len(codes) < 5
    assert values == (reader is read_rows)
    assert peak < 8 << 20


def test_records_that_are_all_broken_cost_no_more_than_they_are_long():
    limits = Limits(record_bytes=64 << 10, chunk=16 << 10)
    broken = b'{"id": 1, "text": "the quote is missing}, '
    window = opened(b"[" + broken, broken, 2 << 20, b"]", limits)
    found = [value.code for _, value in ArrayReader(window, 0, limits)]
    assert set(found[:-1]) == {"bad_json"}
    assert len(found) > (2 << 20) // len(broken) - 2


def test_open_quotes_in_every_row_cost_no_more_than_they_are_long():
    limits = Limits(record_bytes=64 << 10, chunk=16 << 10)
    broken = b'1,"a kite\n'
    window = opened(b"id,name\n", broken, 2 << 20, b"", limits)
    codes = [value.code for _, value in read_rows(window, 0, limits) if isinstance(value, Fault)]
    assert set(codes) == {"bad_csv"}


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_an_extent_is_the_same_however_it_is_cut(size):
    value = rb'{"a": ["\\", "\"]}", {"b": [[], {"c": {}}]}, "\u005b"], "d": -1.5e3}'
    extent, at, end = Extent(), 0, 0
    data = value + b" , 7"
    while not end:
        held = min(at + size, len(data))
        at, ended = extent.follow(data[:held], at, held)
        size += at == held - 1  # a backslash waits for what it escapes
        end = at if ended else 0
    assert data[:end] == value + b" "
    assert 4 <= extent.deepest <= 6
