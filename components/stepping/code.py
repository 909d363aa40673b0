"""Which code ran: its commit, and one digest over its source files, here or as a commit has them."""

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from components.stepping.digests import files_below

ROOT = Path(__file__).parents[2]
SOURCES = ("voco_model", "components", "pipelines", "data")
"""Packages whose files are the code."""
SUFFIXES = (".py", ".yaml", ".safetensors", ".json")
LONGEST = 60
"""Seconds for one question to git."""


@dataclass(frozen=True)
class Code:
    """Which code ran."""

    commit: str | None
    """Of git; None where there is no repository, as in an image built without one."""
    dirty: bool
    """Whether source files differ from that commit."""
    sha256: str
    """Over all source files as they are."""


@cache
def code() -> Code:
    """Which code this process runs."""
    commit = _git("rev-parse", "HEAD").decode().strip() or os.environ.get("VOCO_COMMIT") or None
    dirty = bool(_git("status", "--porcelain", "--", *SOURCES).strip())
    files = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in _files()}
    return Code(commit, dirty, digest_of(files))


def code_changes() -> str:
    """What differs from the commit, as git writes it; of new files the names."""
    changed = _git("diff", "HEAD", "--", *SOURCES).decode("utf-8", "replace")
    new = _git("ls-files", "--others", "--exclude-standard", "--", *SOURCES).decode("utf-8", "replace")
    return changed + "".join(f"new file, in no commit: {name}\n" for name in new.splitlines())


def code_at(commit: str) -> str | None:
    """The digest of a commit's source files; None where this repository does not have it."""
    found = files_at(commit)
    return None if found is None else digest_of(found)


def files_at(commit: str) -> dict[str, str] | None:
    """A commit's source files with their digests; None where this repository does not have it."""
    archive = _git("archive", "--format=tar", commit, "--", *SOURCES) if commit.isalnum() else b""
    if not archive:
        return None
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = [(one.name, tar.extractfile(one)) for one in tar if one.isfile() and _is_source(one.name)]
        return {name: hashlib.sha256(file.read()).hexdigest() for name, file in files if file is not None}


def digest_of(files: Mapping[str, str]) -> str:
    """What source files are called together."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _files() -> Iterator[str]:
    """What git knows or would take in, so that data sets beside the code are none; without git, what is there."""
    listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *SOURCES)
    names = listed.decode().split("\0") if listed else _walked()
    return (name for name in names if _is_source(name) and (ROOT / name).is_file())


def _walked() -> list[str]:
    return [file.relative_to(ROOT).as_posix() for package in SOURCES for file in files_below(ROOT / package)]


def _is_source(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix in SUFFIXES and "__pycache__" not in path.parts


def _git(*arguments: str) -> bytes:
    """What git says; nothing where there is no repository, no git, or no answer."""
    if not (ROOT / ".git").exists():
        return b""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, timeout=LONGEST)
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode == 0 else b""
