"""Whether the folders that media paths name are there at all: a wrong root is one mistake, not a million."""

from itertools import islice
from pathlib import Path, PurePosixPath

from voco_model.errors import VocoError

ENOUGH = 1000
"""After so many media paths without one whose folder exists, the root is taken to be wrong."""


class MediaFolders:
    """Looks at records' media paths until one lies in a folder that exists."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._missing: dict[str, None] = {}
        self._seen = 0
        self._found = root is None

    def see(self, media: str | None) -> None:
        """Count one record's media path."""
        if self._found or media is None:
            return
        assert self._root is not None
        folder = PurePosixPath(media).parent.as_posix()
        self._found = (self._root / folder).is_dir()
        self._seen += 1
        self._missing[folder] = None
        if self._seen >= ENOUGH:
            self.check()

    def check(self) -> None:
        """VocoError if no folder that was named exists."""
        if not self._found and self._missing:
            named = ", ".join(islice(self._missing, 3))
            raise VocoError(
                f"{self._root}: has none of the media folders that records name ({named}); give the root"
            )
