"""Outputs under DVC's content addressing, without the slow command: `dvc pull` finds them years later."""

import os
import shutil
from pathlib import Path

from components.stepping.digests import content_of, folder_list, list_bytes, md5_of_list
from voco_model.files import whole_file


def keep(path: Path, remote: str) -> str:
    """Put a file or folder under its DVC digest into a remote; where it lies there.

    The layout is DVC's own (`files/md5/ab/cdef...`, a folder as its list), so that `dvc pull` finds it.
    What is there already is not written again.
    """
    if remote.startswith("s3://"):
        return _keep_by_dvc(path, remote)
    store = Path(remote) / "files" / "md5"
    if path.is_file():
        md5 = content_of(path).md5
        _put(path.read_bytes(), store, md5)
        return f"{remote}#{md5}"
    listed = folder_list(path)
    for entry in listed:
        _put_file(path / entry["relpath"], store, entry["md5"])
    md5 = md5_of_list(listed)
    _put(list_bytes(listed), store, md5)
    return f"{remote}#{md5}"


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
    from dvc.fs import S3FileSystem
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_data.hashfile.transfer import transfer
    from dvc_objects.fs.local import LocalFileSystem

    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    there = S3FileSystem(endpointurl=endpoint) if endpoint else S3FileSystem()
    store = HashFileDB(there, remote.removeprefix("s3://").rstrip("/") + "/files/md5")
    here = HashFileDB(LocalFileSystem(), str(path.parent / ".dvc-staging"))
    staging, _, made = build(here, str(path), LocalFileSystem(), "md5")
    transfer(staging, store, {made.hash_info}, shallow=False)
    return f"{remote}#{made.hash_info.value}"
