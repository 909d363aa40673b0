"""S3 as a source: listed once, then read at exactly the versions listed; parallel, resumable, verified."""

import json
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError

from components.sources import Stamp, unsafe
from components.sources.transfer import Checks, Transient, check_file, from_base64, persistently, place
from voco_model.data.media import MediaFault
from voco_model.errors import VocoError
from voco_model.files import whole_file

RANGE = 8 * 1024 * 1024
LARGE = 2 * RANGE
"""Objects from this size on are fetched in ranges, several at a time, and continued range by range."""

PLAIN_MD5 = re.compile(r"[0-9a-f]{32}")
GONE = {"404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"}
CHANGED = {"412", "PreconditionFailed"}
REFUSED_LISTING = {"AccessDenied", "403", "NotImplemented", "MethodNotAllowed"}
RETRIED = {
    "SlowDown",
    "Throttling",
    "RequestTimeout",
    "InternalError",
    "ServiceUnavailable",
    "RequestLimitExceeded",
}
REACH = "check the endpoint, the credentials (the usual AWS variables and files) and the permissions"


class S3Source:
    """Objects below `s3://bucket/prefix`."""

    def __init__(
        self,
        uri: str,
        cache: Path,
        *,
        listed: str = "",
        endpoint_url: str | None = None,
        pins: dict[str, Stamp] | None = None,
        workers: int = 8,
    ) -> None:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not bucket:
            raise VocoError(f"{uri}: no bucket; write s3://bucket/prefix")
        self.uri, self._bucket, self._cache = uri, bucket, cache
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        settings = Config(
            max_pool_connections=2 * workers + 2,
            retries={"total_max_attempts": 1},  # `persistently` repeats, and covers the body too
            connect_timeout=10,
            read_timeout=60,
        )
        try:
            self._client = boto3.client("s3", endpoint_url=endpoint_url, config=settings)
        except (BotoCoreError, ValueError) as error:
            raise VocoError(f"{uri}: no S3 client can be made ({error}); {REACH}") from None
        self._ranges = ThreadPoolExecutor(workers, thread_name_prefix="range")
        self._locks = [threading.Lock() for _ in range(64)]
        self._pinned = pins is not None
        self._below = listed.strip("/") + "/" if listed.strip("/") else ""
        self._stamps = dict(pins) if pins is not None else dict(self._list(self._below))

    def stamp(self, path: str) -> Stamp | MediaFault:
        fault = unsafe(path)
        if fault:
            return fault
        found = self._stamps.get(path)
        if found is None and not self._pinned and not path.startswith(self._below):
            found = dict(self._list(path)).get(path)
        return found or MediaFault("missing_media", "there is no such object")

    def fetch(self, path: str, stamp: Stamp) -> Path | MediaFault:
        target = place(self._cache, path, stamp)
        with self._locks[hash(path) % len(self._locks)]:
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                get = self._in_ranges if (stamp.size or 0) >= LARGE else self._at_once
                persistently(self._name(path), lambda: get(path, stamp, target))
        return target

    def states(self, below: str) -> Iterator[tuple[str, Stamp]]:
        inside = below.strip("/") + "/" if below.strip("/") else ""
        if inside.startswith(self._below):
            yield from ((path, stamp) for path, stamp in self._stamps.items() if path.startswith(inside))
        else:
            yield from self._list(inside)

    def close(self) -> None:
        self._ranges.shutdown(cancel_futures=True)
        self._client.close()

    def _name(self, path: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{path}"

    def _list(self, below: str) -> Iterator[tuple[str, Stamp]]:
        """Path and state of every object; without versions where the store will not list them."""
        where = {"Bucket": self._bucket, "Prefix": self._prefix + below}
        try:
            yield from self._pages("list_object_versions", "Versions", where)
        except ClientError as error:
            if _code(error) not in REFUSED_LISTING:
                raise self._stopped(below, error) from None
            try:
                yield from self._pages("list_objects_v2", "Contents", where)
            except (ClientError, BotoCoreError) as again:
                raise self._stopped(below, again) from None
        except BotoCoreError as error:
            raise self._stopped(below, error) from None

    def _pages(self, operation: str, entries: str, where: dict[str, str]) -> Iterator[tuple[str, Stamp]]:
        token: dict[str, str] = {}
        while True:
            page = persistently(self._name(""), lambda: self._call(operation, **where, **token))  # noqa: B023
            for entry in page.get(entries, ()):
                if entry.get("IsLatest", True):
                    version = entry.get("VersionId")
                    stamp = Stamp(entry["Size"], entry["ETag"].strip('"'), None if version == "null" else version)
                    yield entry["Key"].removeprefix(self._prefix), stamp
            if not page.get("IsTruncated"):
                return
            if entries == "Versions":
                token = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
            else:
                token = {"ContinuationToken": page["NextContinuationToken"]}

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One request; what may pass by itself is Transient."""
        try:
            return getattr(self._client, operation)(**arguments)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if (status >= 500 and _code(error) != "NotImplemented") or _code(error) in RETRIED:
                raise Transient(f"the store answers {_code(error)}") from None
            raise
        except (BotoConnectionError, HTTPClientError) as error:
            raise Transient(f"no connection ({type(error).__name__})") from None

    def _object(self, operation: str, path: str, stamp: Stamp, **more: str) -> dict[str, Any]:
        """Ask for exactly the state that was listed."""
        arguments = {"Bucket": self._bucket, "Key": self._prefix + path, "IfMatch": f'"{stamp.tag}"', **more}
        if stamp.version:
            arguments["VersionId"] = stamp.version
        try:
            answer = self._call(operation, **arguments)
        except (ClientError, BotoCoreError) as error:
            raise self._stopped(path, error) from None
        if answer.get("ETag", "").strip('"') != stamp.tag:
            raise self._changed(path)
        return answer

    def _at_once(self, path: str, stamp: Stamp, target: Path) -> None:
        answer = self._object("get_object", path, stamp, ChecksumMode="ENABLED")
        data = _body(answer)
        if len(data) != stamp.size:
            raise Transient(f"{len(data)} bytes arrived of {stamp.size}")
        checks = Checks(_stated(answer, stamp))
        checks.update(data)
        checks.finish()
        with whole_file(target) as temporary:
            temporary.write_bytes(data)

    def _in_ranges(self, path: str, stamp: Stamp, target: Path) -> None:
        """Fetch what is missing; which ranges are there is kept in a file beside the partial one."""
        answer = self._object("head_object", path, stamp, ChecksumMode="ENABLED")
        part, state = target.with_name(target.name + ".part"), target.with_name(target.name + ".ranges")
        size = stamp.size or 0
        done = set(json.loads(state.read_text())) if part.exists() and state.exists() else set()
        handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
        lock = threading.Lock()

        def get(start: int) -> None:
            last = min(start + RANGE, size) - 1
            data = _body(self._object("get_object", path, stamp, Range=f"bytes={start}-{last}"))
            if len(data) != last - start + 1:
                raise Transient(f"{len(data)} bytes arrived of the {last - start + 1} from {start} on")
            os.pwrite(handle, data, start)
            with lock:
                done.add(start)
                with whole_file(state) as temporary:
                    temporary.write_text(json.dumps(sorted(done)))

        try:
            missing = [start for start in range(0, size, RANGE) if start not in done]
            name = self._name(path)
            jobs = [self._ranges.submit(persistently, name, lambda s=start: get(s)) for start in missing]
            try:
                for job in jobs:
                    job.result()
            finally:
                for job in jobs:
                    job.cancel()
                for job in jobs:
                    job.cancelled() or job.exception()  # none may write once the file is closed
        finally:
            os.close(handle)
        try:
            check_file(part, _stated(answer, stamp))
        except Transient:
            state.unlink()  # which range is wrong is not known
            raise
        os.replace(part, target)
        state.unlink()

    def _stopped(self, path: str, error: Exception) -> VocoError:
        """A failure that repeating does not mend, in one line; botocore's messages hold no secrets."""
        if isinstance(error, ClientError):
            if _code(error) in CHANGED:
                return self._changed(path)
            if _code(error) in GONE:
                return VocoError(
                    f"{self._name(path)}: vanished after it was listed; run again when the bucket is at rest"
                )
            return VocoError(f"{self._name(path)}: the store answers {_code(error)}; {REACH}")
        return VocoError(f"{self._name(path)}: {' '.join(str(error).split())}; {REACH}")

    def _changed(self, path: str) -> VocoError:
        return VocoError(
            f"{self._name(path)}: changed after it was listed; run again when the bucket is at rest, "
            "or turn its versioning on"
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _body(answer: dict[str, Any]) -> bytes:
    try:
        with answer["Body"] as body:
            return body.read()
    except (BotoCoreError, IncompleteReadError, OSError) as error:
        raise Transient(f"the transfer broke off ({type(error).__name__})") from None


def _stated(answer: dict[str, Any], stamp: Stamp) -> dict[str, str]:
    """The checksums of the whole object that the store states; an ETag is one only where nothing was encrypted."""
    stated = {}
    encrypted = "kms" in answer.get("ServerSideEncryption", "") or "SSECustomerAlgorithm" in answer
    if PLAIN_MD5.fullmatch(stamp.tag) and not encrypted:
        stated["md5"] = stamp.tag
    if answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        for name, field in (("sha256", "ChecksumSHA256"), ("crc32", "ChecksumCRC32")):
            if answer.get(field) and "-" not in answer[field]:
                stated[name] = from_base64(answer[field])
    return stated
