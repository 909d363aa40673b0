"""Where an output lies, and whether that is still what was recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.lineage import Entry
from components.dvc_keeping import is_kept, kept_file, kept_sha256
from components.stepping.digests import Content, files_below, sha256_of
from voco_model.errors import VocoError

T = TypeVar("T")
NOT_READ = "its bytes were not read: --deep reads them"


def check_output(entry: Entry, name: str, *, deep: bool) -> Item:
    """One output, wherever it lies. One good copy is enough, one bad copy is too much."""
    wanted = entry.record.outputs[name]
    head = (entry.record.task, name, "output", wanted.sha256)
    look = _read if deep else _seen
    good, missing = [], []
    for where, kind in _copies(entry, name):
        right, why = look(where, kind, wanted)
        if right is False:
            return Item(*head, where, WRONG, f"{where}: {why}")
        if right is None:
            missing.append(f"{where}: {why}")
        else:
            good.append(where)
    if good:
        return Item(*head, good[0], RIGHT, "" if deep else NOT_READ)
    return Item(*head, entry.record.kept.get(name, ""), UNKNOWN, "; ".join(missing) or "no copy is known")


def output_file(entry: Entry, name: str, file: str) -> bytes | None:
    """One file of a folder that a step made, from the first copy that has it."""
    for where, kind in _copies(entry, name):
        try:
            found = _own(Path(where) / file) if kind == "place" else kept_file(where, file)
        except (VocoError, OSError, ValueError, KeyError, TypeError):
            continue
        if found is not None:
            return found
    return None


def _copies(entry: Entry, name: str) -> list[tuple[str, str]]:
    found = [(entry.places[name], "place")] if name in entry.places else []
    return [*found, (entry.record.kept[name], "kept")] if name in entry.record.kept else found


def _read(where: str, kind: str, wanted: Content) -> tuple[bool | None, str]:
    """Every byte."""

    def read() -> str | None:
        if kind == "kept":
            return kept_sha256(where)
        return sha256_of(Path(where)) if Path(where).exists() else None

    found, why = _told(read)
    return (None, why) if found is None else (found == wanted.sha256, "other bytes")


def _seen(where: str, kind: str, wanted: Content) -> tuple[bool | None, str]:
    """Whether it is there; of a place on this machine, also how much of it."""
    if kind == "kept":
        there, why = _told(lambda: is_kept(where) or None)
        return there, why

    def measure() -> tuple[int, int] | None:
        path = Path(where)
        if not path.exists():
            return None
        files = [path] if path.is_file() else files_below(path)
        return sum(file.stat().st_size for file in files), len(files)

    size, why = _told(measure)
    return (
        (None, why) if size is None else (size == (wanted.bytes, wanted.files), "another size or number of files")
    )


def _told(read: Callable[[], T | None]) -> tuple[T | None, str]:
    try:
        return read(), "not there any more"
    except (VocoError, OSError, ValueError, KeyError, TypeError) as error:
        return None, f"not readable ({' '.join(str(error).split())[:200]})"


def _own(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
