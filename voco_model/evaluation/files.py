"""Benchmarks' files read record by record, every mistake named by file, record and field."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from voco_model.data.faults import shown
from voco_model.errors import VocoError

CELL = 1 << 28
"""Characters of a table's cell at most; MMBench keeps pictures in them."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file, and where it stands there."""

    path: Path
    number: int
    fields: dict[str, Any]

    def fail(self, what: str) -> NoReturn:
        raise VocoError(f"{self.path}: record {self.number}: {what}")

    def need(self, name: str, *kinds: type) -> Any:
        """The field's value, which must be there and of one of these types."""
        if name not in self.fields:
            have = ", ".join(f"`{n}`" for n in list(self.fields)[:12])
            self.fail(f"no field `{name}`; expected one, found {have or 'none'}")
        value = self.fields[name]
        if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            names = " or ".join(kind.__name__ for kind in kinds)
            self.fail(f"field `{name}`: expected {names}, found {shown(value)}")
        return value

    def text(self, name: str) -> str:
        return self.need(name, str)

    def identity(self, name: str) -> str:
        """An id, as text: files differ in whether they write 7 or "7"."""
        return str(self.need(name, str, int))

    def records(self, name: str) -> list["Record"]:
        """A list of objects inside this record."""
        values = self.need(name, list)
        for i, value in enumerate(values):
            if not isinstance(value, dict):
                self.fail(f"field `{name}`: expected objects, its element {i + 1} is {shown(value)}")
        return [Record(self.path, self.number, value) for value in values]


def read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise VocoError(
            f"{path}: its byte {error.start + 1} is not UTF-8; give the benchmark's own file"
        ) from None
    except OSError as error:
        raise VocoError(f"{path}: {error.strerror}; give a file of the benchmark") from None


def parsed(text: str, where: str) -> Any:
    """One JSON value; `where` says what it is part of."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VocoError(f"{where}: not JSON, or cut short: {error}") from None


def read_json(path: Path) -> Any:
    """The value of a JSON file, or the list of the values of one with JSON lines, whatever its name ends with."""
    text = read_text(path)
    if path.suffix == ".jsonl" or is_lines(text):
        return [parsed(line, f"{path}: record {n}") for n, line in _lines(text)]
    return parsed(text, str(path))


def is_lines(text: str) -> bool:
    """Whether the first line is a whole object and not the whole file."""
    lines = _lines(text)
    _, first = next(lines, (0, ""))
    if not first.startswith("{") or next(lines, None) is None:
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, by number; some published files end theirs with commas."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line := line.strip().removesuffix(","):
            yield number, line


def as_records(value: Any, path: Path) -> list[Record]:
    """The objects of an array."""
    if not isinstance(value, list):
        raise VocoError(f"{path}: expected an array of objects or JSON lines, found {kind_of(value)}")
    for i, one in enumerate(value):
        if not isinstance(one, dict):
            raise VocoError(f"{path}: record {i + 1}: expected an object, found {shown(one)}")
    return [Record(path, i + 1, one) for i, one in enumerate(value)]


def as_object(value: Any, path: Path, *names: str) -> Record:
    """A file that is one object with these fields."""
    if not isinstance(value, dict):
        raise VocoError(f"{path}: expected an object with {_listed(names)}, found {kind_of(value)}")
    if missing := [name for name in names if name not in value]:
        have = _listed(list(value)[:5]) or "nothing"
        raise VocoError(f"{path}: no field {_listed(missing)}; found {have}: is it a file of this benchmark?")
    return Record(path, 1, value)


def kind_of(value: Any) -> str:
    """A JSON value's shape, for a message."""
    if isinstance(value, dict):
        return f"an object with {_listed(list(value)[:5]) or 'no field'}"
    return "an array" if isinstance(value, list) else shown(value)


def _listed(names: Any) -> str:
    return ", ".join(f"`{shown(name)[1:-1]}`" for name in names)


def read_table(path: Path, needed: tuple[str, ...], delimiter: str = "\t") -> list[Record]:
    """The rows of a table with a header; an empty cell is a missing one."""
    limit = csv.field_size_limit(CELL)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, delimiter=delimiter, strict=True)
            columns = rows.fieldnames or []
            if missing := [name for name in needed if name not in columns]:
                have = _listed(columns[:12])
                raise VocoError(f"{path}: no column {_listed(missing)}; expected {_listed(needed)}, found {have}")
            return [_row(path, number, row) for number, row in enumerate(rows, start=1)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise VocoError(f"{path}: not a table, or cut short: {error}") from None
    except OSError as error:
        raise VocoError(f"{path}: {error.strerror}; give a file of the benchmark") from None
    finally:
        csv.field_size_limit(limit)


def _row(path: Path, number: int, row: dict[str, Any]) -> Record:
    if None in row:
        raise VocoError(f"{path}: record {number}: more cells than the header has columns")
    return Record(path, number, {name: cell for name, cell in row.items() if cell not in ("", None)})


def found(folder: Path, patterns: Sequence[str], title: str, other_than: Path | None = None) -> Path:
    """The one file of a folder that fits the first pattern that any fits."""
    for pattern in patterns:
        fitting = [p for p in sorted(folder.glob(pattern)) if p != other_than]
        if len(fitting) > 1:
            names = ", ".join(p.name for p in fitting[:6])
            raise VocoError(f"{folder}: several files of {title}: {names}; name one of them")
        if fitting:
            return fitting[0]
    raise VocoError(f"{folder}: no file of {title}; expected {' or '.join(patterns)}")
