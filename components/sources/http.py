"""An HTTP folder as a source: files by relative address, continued where a transfer broke off."""

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests
import urllib3

from components.sources import Stamp, unsafe
from components.sources.transfer import CHUNK, Transient, check_file, persistently, place
from voco_model.data.media import MAX_VIDEO_BYTES, MediaFault
from voco_model.errors import VocoError

TIMEOUT = (10, 60)
"""Seconds to connect, and to wait for further bytes."""
MAX_BYTES = MAX_VIDEO_BYTES
SUMS = "SHA256SUMS"
MAX_SUMS_BYTES = 512 * 1024 * 1024
PLAIN = {"Accept-Encoding": "identity"}
"""What is stored is what arrives: no bomb in a content encoding, and ranges count the file's own bytes."""


class HttpSource:
    """Files below an address; `SHA256SUMS` there, if any, says what each must be."""

    def __init__(self, uri: str, cache: Path) -> None:
        parts = urlsplit(uri)
        if parts.username or parts.password or parts.query or parts.fragment:
            shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
            raise VocoError(
                f"{shown}: an address takes no password, query or fragment; give the folder's plain address"
            )
        self.uri, self._base, self._cache = uri, uri.rstrip("/") + "/", cache
        self._session = requests.Session()
        self._session.mount(self._base, requests.adapters.HTTPAdapter(pool_maxsize=64))
        self._locks = [threading.Lock() for _ in range(64)]
        self._sums = self._read_sums()

    def stamp(self, path: str) -> Stamp | MediaFault:
        fault = unsafe(path)
        if fault:
            return fault
        if path in self._sums:
            return Stamp(None, f"sha256:{self._sums[path]}")
        answer = persistently(self._name(path), lambda: self._ask("HEAD", path))
        if answer is None:
            return MediaFault("missing_media", "the server has no such file")
        if answer.status_code in (405, 501):
            return Stamp(None, "")
        return self._stamp_of(answer)

    def fetch(self, path: str, stamp: Stamp) -> Path | MediaFault:
        if stamp.size is not None and stamp.size > MAX_BYTES:
            return MediaFault("too_large", f"{stamp.size} bytes, above the limit of {MAX_BYTES}")
        target = place(self._cache, path, stamp)
        with self._locks[hash(path) % len(self._locks)]:
            if not target.exists() or not stamp.tag:
                target.parent.mkdir(parents=True, exist_ok=True)
                fault = persistently(self._name(path), lambda: self._download(path, stamp, target))
                if fault:
                    return fault
        return target

    def states(self, below: str) -> Iterator[tuple[str, Stamp]]:
        """None: HTTP has no listing; what SHA256SUMS says is part of a file's state."""
        yield from ()

    def close(self) -> None:
        self._session.close()

    def _name(self, path: str) -> str:
        return self._base + path

    def _ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> requests.Response | None:
        """The answer, its body still to be read; None where there is no such file."""
        try:
            answer = self._session.request(
                method,
                self._base + quote(path),
                headers=PLAIN | (headers or {}),
                timeout=TIMEOUT,
                stream=True,
                allow_redirects=False,  # to no host that the user did not name
            )
        except requests.RequestException as error:
            raise Transient(f"no connection ({type(error).__name__})") from None
        if answer.status_code < 300 or answer.status_code in (405, 416, 501):
            return answer
        answer.close()
        if answer.status_code in (404, 410):
            return None
        if answer.status_code >= 500 or answer.status_code in (408, 429):
            raise Transient(f"the server answers {answer.status_code}")
        way = (
            "give the address that it leads to"
            if answer.status_code < 400
            else "check the address and your access"
        )
        raise VocoError(f"{self._name(path)}: the server answers {answer.status_code}; {way}")

    def _stamp_of(self, answer: requests.Response) -> Stamp:
        length = answer.headers.get("Content-Length", "")
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        return Stamp(int(length) if length.isdigit() else None, tag)

    def _download(self, path: str, stamp: Stamp, target: Path) -> MediaFault | None:
        part = target.with_name(target.name + ".part")
        have = part.stat().st_size if part.exists() and stamp.tag else 0
        if have != stamp.size or not have:
            fault = self._continue(path, stamp, part, have)
            if fault:
                return fault
        try:
            if stamp.size is not None and part.stat().st_size != stamp.size:
                raise Transient(f"{part.stat().st_size} bytes arrived of {stamp.size}")
            if stamp.tag.startswith("sha256:"):
                check_file(part, {"sha256": stamp.tag.removeprefix("sha256:")})
        except Transient:
            if stamp.size is None or part.stat().st_size >= stamp.size:
                part.unlink()  # it is wrong, not short
            raise
        part.replace(target)
        return None

    def _continue(self, path: str, stamp: Stamp, part: Path, have: int) -> MediaFault | None:
        """Fetch the rest behind the `have` bytes, or all where the server will not give a part."""
        known = "" if stamp.tag.startswith("sha256:") else stamp.tag
        range_of = {"Range": f"bytes={have}-"} | ({"If-Range": known} if known else {}) if have else None
        answer = self._ask("GET", path, range_of)
        if answer is None:
            raise VocoError(
                f"{self._name(path)}: vanished after it was asked for; run again when the server is at rest"
            )
        with answer:
            if answer.status_code == 416:
                part.unlink()
                raise Transient("the server has fewer bytes than arrived before")
            if known and self._stamp_of(answer).tag not in ("", known):
                raise VocoError(
                    f"{self._name(path)}: changed after it was asked for; run again when the server is at rest"
                )
            starts = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            have = have if answer.status_code == 206 and starts else 0
            stated = self._stamp_of(answer).size
            with open(part, "r+b" if have else "wb") as file:
                file.seek(have)
                file.truncate()
                arrived = 0
                while data := _read(answer):
                    arrived += len(data)
                    if have + arrived > MAX_BYTES:
                        return MediaFault("too_large", f"more than {MAX_BYTES} bytes")
                    file.write(data)
            if stated is not None and arrived < stated:
                raise Transient(f"{arrived} bytes arrived of {stated}")
        return None

    def _read_sums(self) -> dict[str, str]:
        """Path to SHA-256 from the server's `SHA256SUMS`, as `sha256sum` writes it."""
        answer = persistently(self._name(SUMS), lambda: self._ask("GET", SUMS))
        if answer is None:
            return {}
        with answer:
            text = _read(answer, MAX_SUMS_BYTES).decode(errors="replace")
        sums = {}
        for line in text.splitlines():
            digest, _, path = line.strip().partition(" ")
            if len(digest) == 64 and path:
                sums[path.strip().removeprefix("*").removeprefix("./")] = digest.lower()
        return sums


def _read(answer: requests.Response, size: int = CHUNK) -> bytes:
    try:
        return answer.raw.read(size, decode_content=False)
    except (OSError, urllib3.exceptions.HTTPError) as error:
        raise Transient(f"the transfer broke off ({type(error).__name__})") from None
