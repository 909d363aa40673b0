"""Writing files and folders so that they appear under their names only when they are whole."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; renamed to it if the block ends well, removed if it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path`; it takes the place of what was there if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent) as beside:
        temporary = Path(beside) / "new"
        temporary.mkdir()
        yield temporary
        if path.exists():
            shutil.move(path, Path(beside) / "old")
        os.replace(temporary, path)


def _umask() -> int:
    """What this process takes away from new files; mkstemp takes away more, and others shall read the result."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
