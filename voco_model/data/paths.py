"""Paths from data files: none leaves the data root, whatever it says and wherever symbolic links lead."""

import re
from pathlib import Path

from voco_model.data.faults import shown
from voco_model.errors import VocoError

_DRIVE = re.compile(r"[A-Za-z]:")


class PathEscape(VocoError):
    """A path that is not one of a file below the data root."""


def safe_media_path(root: Path, relative: str) -> Path:
    """The file that `relative` names below `root`, which need not exist; PathEscape if it would lie elsewhere."""
    return MediaRoot(root).path(relative)


def check_relative(relative: str) -> None:
    """Refuse a path by what it says alone."""
    for wrong, what in (
        (not relative, "is empty"),
        ("\0" in relative, "holds a NUL character"),
        ("\\" in relative, "holds a backslash"),
        (relative.startswith("/"), "is absolute"),
        (_DRIVE.match(relative), "names a drive"),
        (".." in relative.split("/"), "holds `..`"),
        (not set(relative.split("/")) - {"", "."}, "names a folder"),
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
        self._folders: dict[Path, Path] = {}

    def path(self, relative: str) -> Path:
        """The file below the root; without a root, only what the path says is checked."""
        check_relative(relative)
        if self.root is None:
            return Path(relative)
        path = self.root / relative
        try:
            real = path.resolve() if path.is_symlink() else self._folder(path.parent) / path.name
        except (OSError, RuntimeError) as error:
            raise PathEscape(f"the media path {shown(relative)} leads nowhere ({type(error).__name__})") from None
        assert self._real is not None
        if not real.is_relative_to(self._real):
            raise PathEscape(f"the media path {shown(relative)} leaves the data root through a symbolic link")
        return path

    def _folder(self, folder: Path) -> Path:
        if folder not in self._folders:
            if len(self._folders) >= 4096:
                self._folders.clear()
            self._folders[folder] = folder.resolve()
        return self._folders[folder]

    def relative(self, path: Path) -> str:
        """A file's name for the manifest: below the root if it lies there, else as it was given."""
        real = path.resolve()
        if self._real is not None and real.is_relative_to(self._real):
            return real.relative_to(self._real).as_posix()
        return path.as_posix()
