"""What steps made, brought back by digest: from where it lay, or from DVC's remote, and never with other bytes."""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from components.auditing.lineage import Entry
from components.dvc_keeping import FOLDER
from components.dvc_store import Store, open_store
from components.stepping.digests import Content, content_of, folder_list, stream_content
from voco_model.errors import VocoError
from voco_model.files import whole_file

WAY_OUT = "put it back from a backup, or run the step that made it again"
T = TypeVar("T")


@dataclass(frozen=True)
class Made:
    """One output of one step."""

    name: str
    """`task.output`."""
    content: Content
    place: str | None
    """Where it lay when the lineage was written."""
    kept: str | None
    """`remote#md5`, where a remote keeps it."""

    def bring(self, to: Path) -> Path:
        """A path that holds it: where it lies, or `to`."""
        if (here := self._here()) is not None:
            return here
        store, md5 = self._remote()
        if not md5.endswith(FOLDER):
            self._take(store, md5, to)
        else:
            to.mkdir(parents=True)
            for entry in self._listed(store, md5):
                self._take(store, entry["md5"], to / _inside(entry["relpath"], self.name))
        if content_of(to).sha256 != self.content.sha256:
            raise VocoError(f"{self.kept}: holds other bytes than {self.name} had; {WAY_OUT}")
        return to

    def files(self) -> list[dict[str, str]]:
        """A folder's files, `md5` and `relpath` of each; of a file, none."""
        if self.content.kind == "file":
            return []
        return self._from_remote(self._listed, folder_list)

    def bring_files(self, names: Iterable[str], to: Path) -> Path:
        """Some files of a folder, by their paths in it; a folder that holds them there."""

        def take(store: Store, md5: str) -> Path:
            digests = {entry["relpath"]: entry["md5"] for entry in self._listed(store, md5)}
            for name in names:
                self._take(store, digests[name], to / _inside(name, self.name))
            return to

        return self._from_remote(take, lambda here: here)

    def _from_remote(self, read: Callable[[Store, str], T], otherwise: Callable[[Path], T]) -> T:
        """From the remote, which need not be read whole; else from where it lay, which must be."""
        try:
            return read(*self._remote())
        except VocoError:
            if (here := self._here()) is None:
                raise
            return otherwise(here)

    def _here(self) -> Path | None:
        path = Path(self.place) if self.place else None
        return path if path and path.exists() and content_of(path).sha256 == self.content.sha256 else None

    def _remote(self) -> tuple[Store, str]:
        if self.kept is None:
            raise self._lost()
        remote, _, md5 = self.kept.rpartition("#")
        return open_store(remote), md5

    def _lost(self) -> VocoError:
        where = f"{self.place}: is not there any more" if self.place else "no copy of it is known"
        return VocoError(
            f"{self.name} ({self.content.sha256[:12]}): {where}, and no DVC remote keeps it; {WAY_OUT}"
        )

    def _listed(self, store: Store, md5: str) -> list[dict[str, str]]:
        with store.opened(md5) as file:
            if file is None:
                raise VocoError(f"{self.kept}: the DVC remote lost {self.name}; {WAY_OUT}")
            text = file.read()
        try:
            return [{"md5": str(one["md5"]), "relpath": str(one["relpath"])} for one in json.loads(text)]
        except (ValueError, TypeError, KeyError):
            raise VocoError(f"{self.kept}: no list of a folder's files any more; {WAY_OUT}") from None

    def _take(self, store: Store, md5: str, to: Path) -> None:
        remote = (self.kept or "").rpartition("#")[0]
        with store.opened(md5) as file:
            if file is None:
                raise VocoError(f"{remote}: the DVC remote lost object {md5}, {to.name} of {self.name}; {WAY_OUT}")
            with whole_file(to) as temporary, temporary.open("wb") as out:
                shutil.copyfileobj(file, out)
        with to.open("rb") as written:
            if stream_content(written).md5 != md5:
                raise VocoError(f"{remote}: object {md5}, {to.name} of {self.name}, was changed; {WAY_OUT}")


def outputs(entry: Entry) -> list[Made]:
    """All that a step made."""
    record = entry.record
    return [
        Made(f"{record.task}.{name}", content, entry.places.get(name), record.kept.get(name))
        for name, content in record.outputs.items()
    ]


def _inside(name: str, owner: str) -> Path:
    """A name in a list may not lead out of the folder."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise VocoError(f"{owner}: its list names {name!r}, which leads out of the folder; audit it")
    return path
