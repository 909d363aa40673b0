"""The manifest: one Parquet row for each record of a versioned data set."""

import pyarrow as pa

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("digest", pa.string()),  # SHA-256 of the media file's bytes; null for text alone
        pa.field("bytes", pa.int64(), nullable=False),  # of the media file; 0 for text alone
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("duration", pa.float64()),  # seconds; null unless a video
        pa.field("frames", pa.int32()),  # null unless a video
        pa.field("turns", pa.int32(), nullable=False),
        pa.field("text_length", pa.int32(), nullable=False),  # characters of all turns
        pa.field("source", pa.string(), nullable=False),  # the data set kind
        pa.field("split", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),  # where the record was read
        pa.field("line", pa.int64(), nullable=False),
        pa.field("media_kind", pa.string(), nullable=False),  # image, video or text
        pa.field("media", pa.string()),  # path below the data root
        pa.field("perceptual_hash", pa.string()),  # 64-bit difference hash in hex, of a clip's middle frame
        pa.field("conversation", pa.string(), nullable=False),  # JSON, [{from, value}, ...]
        pa.field("shard", pa.string()),  # the shard that holds it, e.g. "000003.tar"; null before sharding
    ]
)
"""Columns in order; a manifest has exactly these."""

MANIFEST_NAME = "manifest.parquet"
QUARANTINE_NAME = "quarantine.parquet"
SHARD_PATTERN = "shards/{:06d}.tar"

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("code", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
