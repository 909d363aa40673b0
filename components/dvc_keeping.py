"""Outputs under DVC's content addressing, without the slow command: `dvc pull` finds them years later."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components.dvc_store import Store, open_store
from components.stepping.digests import (
    CHUNK,
    content_of,
    folder_list,
    list_bytes,
    md5_of_list,
    sha256_of_sums,
)

FOLDER = ".dir"
AT_ONCE = 8


def keep(path: Path, remote: str) -> str:
    """Put a file or folder under its DVC digest into a remote; where it lies there.

    remote: a folder, or `s3://bucket/prefix`. What is there already is not written again. A folder's list is
    written last, so that a list that is there names objects that are there.
    """
    store = open_store(remote)
    if path.is_file():
        md5 = content_of(path).md5
        _put(store, path, md5)
        return f"{remote}#{md5}"
    listed = folder_list(path)
    once = {entry["md5"]: path / entry["relpath"] for entry in listed}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda one: _put(store, one[1], one[0]), once.items()))
    md5 = md5_of_list(listed)
    if not store.has(md5):
        store.put_bytes(list_bytes(listed), md5)
    return f"{remote}#{md5}"


def kept_sha256(kept: str) -> str | None:
    """The digest of what a remote really holds where `keep` said; None where it lost any of it."""
    remote, _, md5 = kept.rpartition("#")
    store = open_store(remote)
    if not md5.endswith(FOLDER):
        return _sha256(store, md5)
    listed = _bytes(store, md5)
    if listed is None:
        return None
    if hashlib.md5(listed, usedforsecurity=False).hexdigest() + FOLDER != md5:
        return hashlib.sha256(listed).hexdigest()  # not the list that was kept, whatever it leads to
    entries = sorted(json.loads(listed), key=lambda entry: str(entry["relpath"]))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda entry: _sha256(store, entry["md5"]), entries))
    sums = [(str(entry["relpath"]), one) for entry, one in zip(entries, found, strict=True) if one is not None]
    return sha256_of_sums(sums) if len(sums) == len(entries) else None


def is_kept(kept: str) -> bool:
    """Whether a remote still has what `keep` put there, by its name alone: a file, or a folder's list."""
    remote, _, md5 = kept.rpartition("#")
    return open_store(remote).has(md5)


def kept_file(kept: str, name: str) -> bytes | None:
    """One file of a folder that `keep` put away; None where it is not there."""
    remote, _, md5 = kept.rpartition("#")
    store = open_store(remote)
    listed = _bytes(store, md5)
    entries = json.loads(listed) if listed is not None else []
    own = next((entry["md5"] for entry in entries if entry["relpath"] == name), None)
    return _bytes(store, own) if own is not None else None


def _put(store: Store, source: Path, md5: str) -> None:
    if not store.has(md5):
        store.put(source, md5)


def _sha256(store: Store, md5: str) -> str | None:
    with store.opened(md5) as file:
        if file is None:
            return None
        digest = hashlib.sha256()
        while chunk := file.read(CHUNK):
            digest.update(chunk)
        return digest.hexdigest()


def _bytes(store: Store, md5: str) -> bytes | None:
    with store.opened(md5) as file:
        return file.read() if file is not None else None
