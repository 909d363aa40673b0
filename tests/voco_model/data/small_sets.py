"""Small data sets for the loader's tests, written as the shards and manifest that it reads."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from voco_model.config import preset
from voco_model.data.collating import Reading, TrainingBatch
from voco_model.data.grouping import BatchPolicy
from voco_model.data.loading import TrainingLoader
from voco_model.data.manifest import MANIFEST_NAME, SCHEMA, SHARD_PATTERN
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer


@dataclass
class Item:
    """A record to be written."""

    kind: str = "image"
    media: bytes | None = None
    answer: str = "yes"
    tag: str | None = None
    seconds: float | None = None
    split: str = "train"

    def turns(self, id: str) -> list[dict[str, str]]:
        tags = {"image": "<image>\n", "video": "<video>\n", "text": ""}
        tag = tags[self.kind] if self.tag is None else self.tag
        return [{"from": "human", "value": f"{tag}What is {id}?"}, {"from": "gpt", "value": self.answer}]


def png(seed: int, size: tuple[int, int] = (9, 7)) -> bytes:
    """A picture of coarse noise."""
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    return out.getvalue()


def clip(frames: int, path: Path) -> bytes:
    """A clip of ten frames a second, each of one grey, brighter than the last."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for n in range(frames):
            grey = Image.new("RGB", (32, 32), (20 + 200 * n // frames,) * 3)
            container.mux(stream.encode(av.VideoFrame.from_image(grey)))
        container.mux(stream.encode())
    return path.read_bytes()


def write(folder: Path, items: list[Item], per_shard: int = 5) -> Path:
    """A data set whose record n has the id `r<n>`."""
    (folder / "shards").mkdir(parents=True)
    rows = []
    for first in range(0, len(items), per_shard):
        path = folder / SHARD_PATTERN.format(first // per_shard)
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, item in enumerate(items[first : first + per_shard], first):
                rows.append(_row(number, item, path.name))
                text = {"id": f"r{number}", "media_kind": item.kind, "turns": item.turns(f"r{number}")}
                _add(tar, f"{number:09d}.json", json.dumps(text).encode())
                if item.media is not None:
                    _add(tar, f"{number:09d}.{'mp4' if item.kind == 'video' else 'png'}", item.media)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / MANIFEST_NAME)
    return folder


def _row(number: int, item: Item, shard: str) -> dict:
    turns = item.turns(f"r{number}")
    return {
        "id": f"r{number}",
        "digest": hashlib.sha256(item.media).hexdigest() if item.media is not None else None,
        "bytes": len(item.media or b""),
        "duration": item.seconds,
        "turns": len(turns),
        "text_length": sum(len(turn["value"]) for turn in turns),
        "source": "llava_instruct",
        "split": item.split,
        "file": "mix.json",
        "line": number + 1,
        "media_kind": item.kind,
        "media": None if item.media is None else f"{number}.png",
        "conversation": json.dumps(turns),
        "shard": shard,
    }


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def processor(**options) -> VocoProcessor:
    """That of the tiny preset."""
    return VocoProcessor.for_model(preset("tiny"), byte_tokenizer(), template="short", **options)


def damage(folder: Path, record: int, suffix: str, per_shard: int = 5) -> None:
    """Overwrite a few bytes in the middle of a member."""
    path = folder / SHARD_PATTERN.format(record // per_shard)
    with tarfile.open(path) as tar:
        member = tar.getmember(f"{record:09d}.{suffix}")
    with open(path, "r+b") as file:
        file.seek(member.offset_data + member.size // 2)
        file.write(b"\0\1\2\3")


PROCESSOR = processor()
FRAMES = Reading(n_frames=2)


def loader(folder: Path, batch_size: int = 4, questions: int = 2, reading: Reading = FRAMES, **options):
    policy = BatchPolicy(batch_size, questions, shards_at_once=2, sorted_batches=2)
    return TrainingLoader(folder, PROCESSOR, policy, reading, **options)


def ids(batches: list[TrainingBatch]) -> list[list[str]]:
    return [batch.ids for batch in batches]


def all_ids(n: int) -> list[str]:
    return sorted(f"r{k}" for k in range(n))


def flat(lists: Iterable[list]) -> list:
    return list(chain.from_iterable(lists))
