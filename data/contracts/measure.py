"""From a manifest to one frame with a column for each thing that a contract checks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts import conversations
from data.contracts.benchmarks import ImageList
from data.contracts.likeness import NOTHING, Likeness, Pictures, digest_leaks, exact_duplicates
from data.contracts.sources import manifest_path, open_manifest
from voco_model.data.manifest import SCHEMA
from voco_model.errors import VocoError

BATCH = 8192
KEPT = [name for name in SCHEMA.names if name not in ("conversation", "shard", "split")]
OK = conversations.OK


@dataclass
class Measured:
    """A manifest, measured."""

    frame: pd.DataFrame
    """One row for each record: what identifies it, and the columns that are checked. Findings are categories,
    of which "ok" is the good one; empty where a check does not apply."""
    likeness: dict[str, Likeness] = field(default_factory=dict)
    """By column: what the records with a finding there resemble."""
    figures: dict[str, float] = field(default_factory=dict)


def measure(
    given: Path, kind: str, benchmarks: Sequence[ImageList] = (), by_text: bool = False, near_distance: int = 3
) -> Measured:
    """Everything that checks need to know of a manifest.

    kind: the data set kind that every record's `source` should be; "" for any.
    by_text: the same media may stand in several records, so only those that also say the same are duplicates.
    near_distance: pictures whose hashes differ in at most this many bits look alike.
    """
    table, findings, said = _read(given)
    frame = table.to_pandas()
    for name, labels in (
        ("fields", conversations.FIELDS),
        ("turn_order", conversations.TURN_ORDER),
        ("image_tags", conversations.IMAGE_TAGS),
        ("boxes", conversations.BOXES),
    ):
        frame[name] = pd.Categorical.from_codes(getattr(findings, name), list(labels))
    frame["answer_words"], frame["ascii_letters"] = findings.answer_words, findings.ascii_letters
    _add_fields(frame, kind)
    _add_sizes(frame)
    pictures = Pictures(table.column("perceptual_hash"), benchmarks, near_distance)
    leaks = digest_leaks(frame, benchmarks)
    likeness = {
        "exact_duplicate": exact_duplicates(frame, said if by_text else None),
        "near_duplicate": pictures.near_duplicates(frame),
        "leak_digest": leaks,
        "leak_near": pictures.leaks(leaks.place != NOTHING),
    }
    for name, like in likeness.items():
        frame[name] = _findings({like.label: like.place != NOTHING}, like.applies)
    return Measured(frame, likeness, _figures(frame, likeness))


def _read(given: Path) -> tuple[pa.Table, conversations.Findings, np.ndarray]:
    """The kept columns, what the conversations show, and a number for each conversation."""
    file = open_manifest(given)
    batches, said = [], [np.empty(0, np.int64)]
    found = [conversations.examine([], np.empty(0, int), np.empty(0, object))]
    try:
        for batch in file.iter_batches(BATCH, columns=[*KEPT, "conversation"]):
            texts = batch.column("conversation").to_pylist()
            media_kind = np.array(batch.column("media_kind").to_pylist(), dtype=object)
            found.append(conversations.examine(texts, batch.column("turns").to_numpy(), media_kind))
            said.append(np.fromiter(map(hash, texts), np.int64, len(texts)))
            batches.append(batch.select(KEPT))
    except (pa.ArrowException, OSError) as error:
        raise VocoError(f"{manifest_path(given)}: damaged ({error}); ingest the data set again") from None
    findings = conversations.Findings(*map(np.concatenate, zip(*found, strict=True)))
    arrow = [SCHEMA.field(name) for name in KEPT]
    table = pa.Table.from_batches(batches) if batches else pa.schema(arrow).empty_table()
    return table, findings, np.concatenate(said)


def _findings(faults: dict[str, pd.Series | np.ndarray], applies: np.ndarray | None = None) -> pd.Categorical:
    """From masks: the first fault that a record has, else "ok"; empty where the check does not apply."""
    masks = [np.asarray(mask, dtype=bool) for mask in faults.values()]
    codes = np.select(masks, range(1, len(masks) + 1), 0)
    return pd.Categorical.from_codes(codes if applies is None else np.where(applies, codes, -1), [OK, *faults])


def _add_fields(frame: pd.DataFrame, kind: str) -> None:
    """What the fields say of themselves."""
    media = frame["media_kind"] != "text"
    decoded = frame["width"].notna()
    stored = frame["digest"].notna() & frame["media"].notna() & (frame["bytes"] > 0)
    some = frame["digest"].notna() | frame["media"].notna()
    blank = (frame["id"] == "") | (frame["file"] == "") | (frame["line"] < 1)
    unknown = ~frame["media_kind"].isin(["image", "video", "text"])
    frame["required"] = _findings({"id, file or line is empty": blank, "media_kind is unknown": unknown})
    frame["kind"] = _findings({f"source is not {kind}": (frame["source"] != kind) & bool(kind)})
    frame["media_stored"] = _findings({"no media file": media & ~stored, "text with a media file": ~media & some})
    # A data set that was ingested without decoding has no sizes at all: nothing to hold against single records.
    frame["decodable"] = _findings({"not decoded": ~decoded}, (media & decoded.any()).to_numpy())


def _add_sizes(frame: pd.DataFrame) -> None:
    width, height = frame["width"].astype(float), frame["height"].astype(float)
    frame["short_side"], frame["long_side"] = np.minimum(width, height), np.maximum(width, height)
    frame["aspect"] = frame["long_side"] / frame["short_side"].where(frame["short_side"] > 0)
    video = frame["media_kind"] == "video"
    frame["duration"] = frame["duration"].astype(float).where(video)
    frame["frame_count"] = frame["frames"].astype(float).where(video)


def _figures(frame: pd.DataFrame, likeness: dict[str, Likeness]) -> dict[str, float]:
    counts = frame["media_kind"].value_counts()
    near = likeness["near_duplicate"]
    figures = {f"records.{name}": float(counts.get(name, 0)) for name in ("image", "video", "text")}
    return figures | {
        "records.all": float(len(frame)),
        "records.distinct_media": float(frame["digest"].nunique()),
        "records.near_duplicate_groups": float(len(np.unique(near.place[near.place != NOTHING]))),
        "records.plain_pictures": float(frame["perceptual_hash"].notna().sum() - near.applies.sum()),
    }
