"""Where data comes from: a folder, S3 or HTTP, behind one interface."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from voco_model.data.media import MediaFault
from voco_model.errors import VocoError

_ODD = re.compile(r"[\x00-\x1f\\]")


class Stamp(NamedTuple):
    """What tells one state of a source's file from another without reading it."""

    size: int | None
    tag: str
    """ETag, checksum or time of change; "" where the source has none, so that nothing counts as unchanged."""
    version: str | None = None
    """The version in a store that keeps them."""


class Source(Protocol):
    """A tree of files that are named by relative POSIX paths."""

    uri: str

    def stamp(self, path: str) -> Stamp | MediaFault:
        """The file's state now, or why there is none to be had."""

    def fetch(self, path: str, stamp: Stamp) -> Path | str | MediaFault:
        """The file in that state, whole and verified, as a local file."""

    def states(self, below: str) -> Iterable[tuple[str, Stamp]]:
        """Path and state of every file below a folder; nothing where the source cannot list."""

    def close(self) -> None:
        """Let go of connections and threads."""


def unsafe(path: str) -> MediaFault | None:
    """Why a path from a data file is not followed, or None."""
    if not path or _ODD.search(path):
        return MediaFault("path_escape", "the media path is empty or has characters that no path should")
    if path.startswith("/") or (".." in path and ".." in path.split("/")):
        return MediaFault("path_escape", "the media path leaves the data root")
    return None


def open_source(
    uri: str,
    cache: Path,
    *,
    listed: str = "",
    endpoint_url: str | None = None,
    pins: dict[str, Stamp] | None = None,
    workers: int = 8,
) -> Source:
    """The source behind a folder path, `s3://bucket/prefix` or `http(s)://` address.

    cache: where downloads wait, whole or in part; a later run with the same cache continues them.
    listed: the path below which most files will be asked for.
    pins: states of an earlier data set, used instead of what the source says now.
    """
    if uri.startswith("s3://"):
        from components.sources.s3 import S3Source

        return S3Source(uri, cache, listed=listed, endpoint_url=endpoint_url, pins=pins, workers=workers)
    if pins is not None:
        raise VocoError(f"{uri}: only S3 keeps versions to pin; leave the pins out")
    if uri.startswith(("http://", "https://")):
        from components.sources.http import HttpSource

        return HttpSource(uri, cache)
    if "://" in uri:
        raise VocoError(f"{uri}: not a source; give a folder, s3://bucket/prefix or http(s)://host/path")
    from components.sources.folder import FolderSource

    return FolderSource(uri)
