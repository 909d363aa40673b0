"""Outputs under DVC's content addressing, without the slow command: `dvc pull` finds them years later."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components.dvc_store import Store, open_store
from components.stepping.digests import (
    Content,
    content_of,
    folder_list,
    list_bytes,
    md5_of_list,
    stream_content,
    sum_line,
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


def kept_content(kept: str) -> Content | None:
    """What a remote really holds where `keep` said, read anew to the last byte; None where it lost any of it."""
    remote, _, md5 = kept.rpartition("#")
    store = open_store(remote)
    if not md5.endswith(FOLDER):
        return _read(store, md5)
    with store.opened(md5) as file:
        listed = file.read() if file else None
    if listed is None:
        return None
    entries, lines, total = json.loads(listed), [], 0
    for entry in entries:
        if (one := _read(store, entry["md5"])) is None:
            return None
        lines.append((entry["relpath"], one.sha256))
        entry["md5"] = one.md5
        total += one.bytes
    text = "".join(sum_line(sha256, name) for name, sha256 in sorted(lines))
    whole = hashlib.sha256(text.encode()).hexdigest()
    return Content("folder", whole, md5_of_list(entries), total, len(entries))


def _put(store: Store, source: Path, md5: str) -> None:
    if not store.has(md5):
        store.put(source, md5)


def _read(store: Store, md5: str) -> Content | None:
    with store.opened(md5) as file:
        return stream_content(file) if file else None
