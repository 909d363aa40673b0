"""What a file or folder is called by its content: sha256 for records, md5 as DVC reckons it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from voco_model.errors import VocoError

CHUNK = 1 << 20
AT_ONCE = 4
"""Files read side by side; reckoning a digest leaves Python to others."""


@dataclass(frozen=True)
class Content:
    """A file or folder as its content names it."""

    kind: str
    """`file` or `folder`."""
    sha256: str
    """Of a file's bytes; of a folder, of its files' lines as `sha256sum` prints them, by path."""
    md5: str
    """What DVC calls it; a folder's ends with `.dir`."""
    bytes: int
    files: int

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Content":
        """As `as_dict` gave it."""
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """For a record."""
        return asdict(self)


def content_of(path: Path) -> Content:
    """Read a file, or every file below a folder. Links are refused: what they lead to may change unseen."""
    if path.is_symlink() or not path.exists():
        raise VocoError(
            f"{path}: {'a link' if path.is_symlink() else 'no such file or folder'}; nothing to digest"
        )
    if path.is_file():
        return _read(path)
    sums, entries, total = [], [], 0
    for file in files_below(path):
        name = file.relative_to(path).as_posix()
        one = _read(file)
        sums.append((name, one.sha256))
        entries.append({"md5": one.md5, "relpath": name})
        total += one.bytes
    return Content("folder", sha256_of_sums(sums), md5_of_list(entries), total, len(entries))


def sha256_of(path: Path) -> str:
    """`content_of(path).sha256` alone, at the speed of sha256: files of a folder side by side."""
    if path.is_file():
        return _sha256(path)
    files = files_below(path)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(_sha256, files))
    names = (file.relative_to(path).as_posix() for file in files)
    return sha256_of_sums(zip(names, found, strict=True))


def sha256_of_sums(files: Iterable[tuple[str, str]]) -> str:
    """What a folder is called, by its files' names and digests in the order of their names."""
    lines = (sum_line(sha256, name) for name, sha256 in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sum_line(sha256: str, name: str) -> str:
    """A file's line as `sha256sum` prints it: a name with a line break in it cannot pass for two files."""
    plain = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if plain == name else chr(92)}{sha256}  {plain}\n"


def folder_list(folder: Path) -> list[dict[str, str]]:
    """A folder as DVC writes it down."""
    return [{"md5": _read(f).md5, "relpath": f.relative_to(folder).as_posix()} for f in files_below(folder)]


def list_bytes(entries: list[dict[str, str]]) -> bytes:
    """That list as DVC stores it."""
    return json.dumps(sorted(entries, key=lambda e: e["relpath"]), sort_keys=True).encode()


def md5_of_list(entries: list[dict[str, str]]) -> str:
    """What DVC calls a folder."""
    return hashlib.md5(list_bytes(entries), usedforsecurity=False).hexdigest() + ".dir"


def files_below(folder: Path) -> list[Path]:
    """All files, in the order of their paths as written with slashes."""
    found = sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix())
    for path in found:
        if path.is_symlink():
            raise VocoError(f"{path}: a link; what it leads to may change unseen: put the file itself there")
    return [path for path in found if path.is_file()]


def text_digest(value: Any) -> str:
    """sha256 of a JSON value, written the one way."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """A JSON value as one line: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def stream_content(file: BinaryIO) -> Content:
    """Of a file that is open already."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    while chunk := file.read(CHUNK):
        sha256.update(chunk)
        md5.update(chunk)
        size += len(chunk)
    return Content("file", sha256.hexdigest(), md5.hexdigest(), size, 1)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> Content:
    with path.open("rb") as file:
        return stream_content(file)
