"""Small manifests that every contract accepts, and changes to them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from voco_model.data.manifest import SCHEMA

Row = dict[str, Any]


def sha(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def said(*texts: str, first: str = "human") -> str:
    """Turns in the files' form, alternating from `first`."""
    speakers = ("human", "gpt") if first == "human" else ("gpt", "human")
    return json.dumps([{"from": speakers[i % 2], "value": text} for i, text in enumerate(texts)])


def row(kind: str, i: int) -> Row:
    """One good record; every fifth of the instruction mix is text alone."""
    media = "text" if kind == "llava_instruct" and i % 5 == 0 else "image"
    media = "video" if kind in ("webvid", "video_chatgpt") else media
    question = "What is to be seen?" if media == "text" else "<image>\nWhat is to be seen?"
    made = {
        "id": f"r{i}", "digest": sha(i), "bytes": 1000 + i, "width": 336, "height": 224 + i, "source": kind,
        "split": "train", "file": f"{kind}.json", "line": i + 1, "media_kind": media, "media": f"{i}.jpg",
        "perceptual_hash": sha(f"hash {i}")[:16], "shard": None,
        "duration": 12.5 if media == "video" else None, "frames": 300 if media == "video" else None,
        "conversation": said(question, f"A small scene with number {i} in it"),
    }  # fmt: skip
    if media == "text":
        made |= dict.fromkeys(("digest", "width", "height", "media", "perceptual_hash")) | {"bytes": 0}
    return counted(made)


def counted(made: Row) -> Row:
    """With the counts that follow from the conversation, where it can be read."""
    try:
        turns = [turn["value"] for turn in json.loads(made["conversation"])]
        return made | {"turns": len(turns), "text_length": sum(map(len, turns))}
    except (ValueError, TypeError, KeyError):
        return made | {"turns": 2, "text_length": 50}


def rows(kind: str, count: int = 40) -> list[Row]:
    return [row(kind, i) for i in range(count)]


def changed(kind: str, *changes: tuple[int, Row], count: int = 40) -> list[Row]:
    """Good records but for some fields of some of them."""
    made = rows(kind, count)
    for i, change in changes:
        made[i] = (counted if "conversation" in change else dict)(made[i] | change) | change
    return made


def write(path: Path, records: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records, SCHEMA), path)
    return path


def near_hash(text: str, bits: int) -> str:
    """A hash with so many of its bits turned over."""
    value = int(text, 16)
    for bit in range(bits):
        value ^= 1 << (17 * bit % 64)
    return f"{value:016x}"
