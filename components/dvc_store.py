"""Where DVC's objects lie: a folder, or a prefix of an S3 bucket, in DVC's own layout."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from voco_model.errors import VocoError
from voco_model.files import whole_file

OBJECTS = "files/md5"
S3 = "s3://"
MISSING = ("404", "NoSuchKey")


class Store(Protocol):
    """Objects by their md5."""

    def has(self, md5: str) -> bool:
        """Whether it is there."""

    def put(self, source: Path, md5: str) -> None:
        """Take a file's content."""

    def put_bytes(self, content: bytes, md5: str) -> None:
        """Take a folder's list."""

    def opened(self, md5: str) -> Any:
        """A context with the object, or with None where it is not there."""


def open_store(remote: str) -> Store:
    """A folder, or `s3://bucket/prefix`."""
    if remote.startswith(S3):
        return S3Store(remote)
    return FolderStore(Path(remote))


class FolderStore:
    """In a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def place(self, md5: str) -> Path:
        """Where an object is."""
        return self._root / OBJECTS / md5[:2] / md5[2:]

    def has(self, md5: str) -> bool:
        return self.place(md5).is_file()

    def put(self, source: Path, md5: str) -> None:
        with whole_file(self.place(md5)) as temporary:
            shutil.copyfile(source, temporary)

    def put_bytes(self, content: bytes, md5: str) -> None:
        with whole_file(self.place(md5)) as temporary:
            temporary.write_bytes(content)

    @contextmanager
    def opened(self, md5: str) -> Iterator[BinaryIO | None]:
        if not self.has(md5):
            yield None
            return
        with self.place(md5).open("rb") as file:
            yield file


class S3Store:
    """In a bucket; server and credentials by the usual AWS variables and files."""

    def __init__(self, remote: str) -> None:
        import boto3
        from botocore.config import Config

        self._remote = remote
        self._bucket, _, prefix = remote.removeprefix(S3).partition("/")
        self._prefix = f"{prefix.strip('/')}/{OBJECTS}/".lstrip("/")
        settings = Config(
            retries={"total_max_attempts": 5, "mode": "standard"}, connect_timeout=10, read_timeout=60
        )
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
        with self._told():
            self._client = boto3.client("s3", endpoint_url=endpoint, config=settings)

    def has(self, md5: str) -> bool:
        from botocore.exceptions import ClientError

        with self._told():
            try:
                self._client.head_object(**self._object(md5))
            except ClientError as error:
                if error.response["Error"]["Code"] in MISSING:
                    return False
                raise
        return True

    def put(self, source: Path, md5: str) -> None:
        where = self._object(md5)
        with self._told():
            self._client.upload_file(str(source), where["Bucket"], where["Key"])

    def put_bytes(self, content: bytes, md5: str) -> None:
        with self._told():
            self._client.put_object(**self._object(md5), Body=content)

    @contextmanager
    def opened(self, md5: str) -> Iterator[BinaryIO | None]:
        if not self.has(md5):
            yield None
            return
        with self._told():
            found = self._client.get_object(**self._object(md5))["Body"]
            try:
                yield found
            finally:
                found.close()

    def _object(self, md5: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{md5[:2]}/{md5[2:]}"}

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the store says, as one line."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError) as error:
            why = " ".join(str(error).split())[:300]
            way_out = "check VOCO_DVC_REMOTE, the endpoint and the credentials (the usual AWS variables)"
            raise VocoError(f"{self._remote}: nothing can be kept or read there ({why}); {way_out}") from None
