"""A folder as a source: nothing is copied, and no link leads out of it."""

import os
import stat
from collections.abc import Iterator
from functools import lru_cache

from components.sources import Stamp, unsafe
from voco_model.data.media import MediaFault
from voco_model.errors import VocoError


class FolderSource:
    """Files below a folder, by size and time of change."""

    def __init__(self, uri: str) -> None:
        if not os.path.isdir(uri):
            raise VocoError(f"{uri}: no such folder; check the source")
        self.uri = uri
        self._root = os.path.realpath(uri)
        self._inside = lru_cache(65536)(self._is_inside)  # folders are asked for again and again

    def stamp(self, path: str) -> Stamp | MediaFault:
        fault = unsafe(path)
        if fault:
            return fault
        full = os.path.join(self._root, path)
        try:
            facts = os.lstat(full)
            checked = full if stat.S_ISLNK(facts.st_mode) else os.path.dirname(full)
            if not self._inside(checked):
                return MediaFault("path_escape", "a symbolic link leads out of the data root")
            facts = os.stat(full) if checked == full else facts
        except (FileNotFoundError, NotADirectoryError):
            return MediaFault("missing_media", "the file is not there")
        except OSError as error:
            return MediaFault("missing_media", f"the file cannot be reached ({error.strerror})")
        if not stat.S_ISREG(facts.st_mode):
            return MediaFault("not_a_file", "it is a folder, pipe or device, not a file")
        return Stamp(facts.st_size, f"mtime:{facts.st_mtime_ns}")

    def fetch(self, path: str, stamp: Stamp) -> str:
        return os.path.join(self._root, path)

    def states(self, below: str) -> Iterator[tuple[str, Stamp]]:
        for folder, names, files in os.walk(os.path.join(self._root, below)):
            names.sort()
            for name in sorted(files):
                path = os.path.relpath(os.path.join(folder, name), self._root)
                stamp = self.stamp(path)
                if isinstance(stamp, Stamp):
                    yield path, stamp

    def close(self) -> None:
        pass

    def _is_inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real == self._root or real.startswith(self._root.rstrip("/") + "/")
