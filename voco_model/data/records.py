"""A training record, whatever file it came from, and what becomes of one that cannot be read."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

KINDS = ("llava_pretrain", "llava_instruct", "webvid", "video_chatgpt")
"""Data set kinds: alignment captions, the instruction mix, captioned clips, questions about clips."""

MediaKind = Literal["image", "video", "text"]


class Said(NamedTuple):
    """One turn as the files have it: `from` is "human" or "gpt"."""

    speaker: str
    text: str


@dataclass(frozen=True)
class Record:
    """One conversation, with at most one image or video, by its path below the data root."""

    id: str
    media_kind: MediaKind
    media: str | None
    """POSIX path relative to the data root; None for text alone."""
    turns: tuple[Said, ...]
    source: str
    """The data set kind, one of `KINDS`."""
    file: str
    """The file that it was read from, relative to the data root where it lies below it."""
    line: int
    """Its place there, counted from 1: the line, or the number of the record in an array or table."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of the file that are kept but not used."""

    @property
    def conversation(self) -> str:
        """The turns as the JSON that the files have, `[{from, value}, ...]`."""
        return json.dumps([{"from": s, "value": t} for s, t in self.turns], ensure_ascii=False)

    @property
    def text_length(self) -> int:
        """Characters of all turns."""
        return sum(len(said.text) for said in self.turns)


@dataclass(frozen=True)
class Quarantined:
    """A record that is set aside, and why."""

    file: str
    line: int
    reason: str
    """A short sentence that names the field or the fault."""
    code: str
    """The reason's name, for counting: e.g. "bad_json", "path_escape", "undecodable_image"."""
    id: str | None = None
