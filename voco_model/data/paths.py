"""Paths from data files: none leaves the data root, whatever it says and wherever symbolic links lead."""

import os
import re
from pathlib import Path

from voco_model.data.faults import shown
from voco_model.errors import VocoError

_PLAIN = re.compile(r"\w[\w-]*(?:/\w[\w-]*)*\.\w+", re.ASCII)
"""What nearly all paths look like: nothing is wrong with these."""
_NAME_BYTES, _PATH_BYTES = 255, 2048
_DRIVE = re.compile(r"[A-Za-z]:")


_FOLDERS = 4096
"""So many folders are remembered at most."""


class PathEscape(VocoError):
    """A path that is not one of a file below the data root."""


def safe_media_path(root: Path, relative: str) -> Path:
    """The file that `relative` names below `root`, which need not exist; PathEscape if it would lie elsewhere."""
    return MediaRoot(root).path(relative)


def check_relative(relative: str) -> None:
    """Refuse a path by what it says alone."""
    if len(relative) < _NAME_BYTES and _PLAIN.fullmatch(relative):
        return
    parts = relative.split("/")
    for wrong, what in (
        (not relative, "is empty"),
        ("\0" in relative, "holds a NUL character"),
        ("\\" in relative, "holds a backslash"),
        (relative.startswith("/"), "is absolute"),
        (_DRIVE.match(relative), "names a drive"),
        (".." in parts, "holds `..`"),
        (not set(parts) - {"", "."}, "names a folder"),
        (
            max(len(part.encode(errors="replace")) for part in parts) > _NAME_BYTES,
            "has a name too long for a file",
        ),
        (len(relative.encode(errors="replace")) > _PATH_BYTES, "is too long for a file"),
    ):
        if wrong:
            raise PathEscape(f"the media path {shown(relative)} {what}; give a path below the data root")


class MediaRoot:
    """The data root of one reading; where its folders lead is looked up once."""

    def __init__(self, root: Path | None) -> None:
        self.root = root
        if root is not None and not root.is_dir():
            raise VocoError(f"{root}: no such folder; give the folder that the media paths start from")
        self._real = root.resolve() if root is not None else None
        self._folders: dict[str, bool] = {}

    def path(self, relative: str) -> Path:
        """The file below the root; without a root, only what the path says is checked."""
        self.check(relative)
        return Path(relative) if self.root is None else self.root / relative

    def check(self, relative: str) -> None:
        """PathEscape if `path` would give a file elsewhere."""
        check_relative(relative)
        if self.root is None:
            return
        path = os.path.join(self.root, relative)
        try:
            # A file that is no link lies where its folder does.
            inside = self._inside(path) if os.path.islink(path) else self._folder_inside(os.path.dirname(path))
        except (OSError, RuntimeError, ValueError) as error:
            raise PathEscape(f"the media path {shown(relative)} leads nowhere ({type(error).__name__})") from None
        if not inside:
            raise PathEscape(f"the media path {shown(relative)} leaves the data root through a symbolic link")

    def _inside(self, path: str) -> bool:
        return self._real is not None and Path(path).resolve().is_relative_to(self._real)

    def _folder_inside(self, folder: str) -> bool:
        if folder not in self._folders:
            if len(self._folders) >= _FOLDERS:
                self._folders.clear()
            self._folders[folder] = self._inside(folder)
        return self._folders[folder]

    def relative(self, path: Path) -> str:
        """A file's name for the manifest: below the root if it lies there, else as it was given."""
        real = path.resolve()
        if self._real is not None and real.is_relative_to(self._real):
            return real.relative_to(self._real).as_posix()
        return path.as_posix()
