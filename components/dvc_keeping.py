"""Outputs under DVC's content addressing, without the slow command: `dvc pull` finds them years later."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from components.stepping.digests import (
    Content,
    content_of,
    folder_list,
    list_bytes,
    md5_of_list,
    stream_content,
    sum_line,
)
from voco_model.files import whole_file

OBJECTS = "files/md5"
FOLDER = ".dir"


def keep(path: Path, remote: str) -> str:
    """Put a file or folder under its DVC digest into a remote; where it lies there.

    The layout is DVC's own (`files/md5/ab/cdef...`, a folder as its list), so that `dvc pull` finds it.
    What is there already is not written again.
    """
    if remote.startswith("s3://"):
        return _keep_by_dvc(path, remote)
    store = Path(remote) / OBJECTS
    if path.is_file():
        md5 = content_of(path).md5
        _put_file(path, store, md5)
        return f"{remote}#{md5}"
    listed = folder_list(path)
    for entry in listed:
        _put_file(path / entry["relpath"], store, entry["md5"])
    md5 = md5_of_list(listed)
    _put(list_bytes(listed), store, md5)
    return f"{remote}#{md5}"


def kept_content(kept: str) -> Content | None:
    """What a remote really holds where `keep` said, read anew to the last byte; None where it lost any of it."""
    remote, _, md5 = kept.rpartition("#")
    if not md5.endswith(FOLDER):
        return _read_object(remote, md5)
    with _opened(remote, md5) as file:
        listed = file.read() if file else None
    if listed is None:
        return None
    entries, lines, total = json.loads(listed), [], 0
    for entry in entries:
        if (one := _read_object(remote, entry["md5"])) is None:
            return None
        lines.append((entry["relpath"], one.sha256))
        entry["md5"] = one.md5
        total += one.bytes
    text = "".join(sum_line(sha256, name) for name, sha256 in sorted(lines))
    whole = hashlib.sha256(text.encode()).hexdigest()
    return Content("folder", whole, md5_of_list(entries), total, len(entries))


def _read_object(remote: str, md5: str) -> Content | None:
    with _opened(remote, md5) as file:
        return stream_content(file) if file else None


@contextmanager
def _opened(remote: str, md5: str) -> Iterator[BinaryIO | None]:
    """An object of a remote; None where it is not there."""
    if remote.startswith("s3://"):
        there, path = _s3(), f"{remote.removeprefix('s3://').rstrip('/')}/{OBJECTS}/{md5[:2]}/{md5[2:]}"
        opener = (lambda: there.open(path, "rb")) if there.exists(path) else None
    else:
        place = place_of(Path(remote) / OBJECTS, md5)
        opener = (lambda: place.open("rb")) if place.is_file() else None
    if opener is None:
        yield None
        return
    with opener() as file:
        yield file


def place_of(store: Path, md5: str) -> Path:
    """Where a remote has an object."""
    return store / md5[:2] / md5[2:]


def _put(content: bytes, store: Path, md5: str) -> None:
    if not (target := place_of(store, md5)).is_file():
        with whole_file(target) as temporary:
            temporary.write_bytes(content)


def _put_file(source: Path, store: Path, md5: str) -> None:
    if not (target := place_of(store, md5)).is_file():
        with whole_file(target) as temporary:
            shutil.copyfile(source, temporary)


def _keep_by_dvc(path: Path, remote: str) -> str:
    """To S3 by DVC's own libraries, which know its layout, its threads and its retries."""
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_data.hashfile.transfer import transfer
    from dvc_objects.fs.local import LocalFileSystem

    store = HashFileDB(_s3(), f"{remote.removeprefix('s3://').rstrip('/')}/{OBJECTS}")
    here = HashFileDB(LocalFileSystem(), str(path.parent / ".dvc-staging"))
    staging, _, made = build(here, str(path), LocalFileSystem(), "md5")
    transfer(staging, store, {made.hash_info}, shallow=False)
    return f"{remote}#{made.hash_info.value}"


def _s3() -> Any:
    """DVC's own view of S3, also of a server that is not Amazon's."""
    from dvc.fs import S3FileSystem

    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    return S3FileSystem(endpointurl=endpoint) if endpoint else S3FileSystem()
