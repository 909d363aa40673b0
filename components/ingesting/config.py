"""What an ingest is told, and what it reports."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from components.ingesting.increments import Changes
from voco_model.data.records import KINDS
from voco_model.errors import VocoError


@dataclass(frozen=True)
class IngestConfig:
    """What to ingest, from where, and into which folder."""

    name: str
    kind: str
    source: str
    """A folder, `s3://bucket/prefix` or `http(s)://host/path`."""
    annotations: str
    """The file of records, by its path below the source."""
    out: Path
    """The new data set's folder; it must not exist yet."""
    media: str = ""
    """The path below the source that the records' media paths start from."""
    split: str = "train"
    shard_size: int = 256 * 1024 * 1024
    """Bytes; a shard is closed before it would grow past this."""
    quarantine_limit: float = 0.01
    """The share of records that may be set aside before the whole is refused."""
    workers: int = 4
    endpoint_url: str | None = None
    """Of an S3 store that is not AWS; AWS_ENDPOINT_URL serves too."""
    decode: bool = True
    """Decode every picture whole and measure every clip; without it, headers are believed."""
    shards: bool = True
    """Write shards; without them, the manifest alone."""
    previous: Path | None = None
    """An earlier version: media that did not change since are not read again."""
    source_name: str | None = None
    """What the data set says that it comes from; None: the source's own address."""
    pins: Path | None = None
    """An earlier version whose S3 object versions are read again, whatever the bucket has now."""

    def __post_init__(self) -> None:
        for name in ("out", "previous", "pins"):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))
        if self.kind not in KINDS:
            raise VocoError(f"kind is {self.kind!r}; give one of {', '.join(KINDS)}")
        if not self.name or not self.annotations:
            raise VocoError("name and annotations must not be empty; say what the data set is called and its file")
        if not 0 <= self.quarantine_limit <= 1:
            raise VocoError(f"quarantine_limit is {self.quarantine_limit}; give a share from 0 to 1")
        for name in ("workers", "shard_size"):
            if getattr(self, name) < 1:
                raise VocoError(f"{name} is {getattr(self, name)}; give at least 1")

    @property
    def media_prefix(self) -> str:
        """What stands before a record's media path in the source: "" or a path that ends with a slash."""
        return self.media.strip("/") + "/" if self.media.strip("/") else ""

    @classmethod
    def from_mapping(cls, settings: dict[str, Any]) -> "IngestConfig":
        """From a parsed file; unknown and missing keys are named."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(settings) - known):
            raise VocoError(f"ingest: unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        try:
            return cls(**settings)
        except TypeError as error:
            raise VocoError(f"ingest: {str(error).split('() ')[-1]}") from None


@dataclass(frozen=True)
class IngestReport:
    """What came of it."""

    out: Path
    version: str
    """The digest of the content."""
    records: int
    quarantined: int
    reasons: dict[str, int]
    """Quarantined records by code."""
    shards: int
    bytes: int
    """Of all media."""
    reused: int
    """Records whose media were not read again."""
    changes: Changes | None
    """Against the previous version, where one was given."""
