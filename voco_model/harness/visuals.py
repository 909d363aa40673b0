"""What a request of the harness shows: pictures, clips by their path or their frames, or nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from voco_model.assistant import Assistant
from voco_model.errors import VocoError
from voco_model.processing.batching import Item
from voco_model.processing.pictures import open_picture
from voco_model.processing.templates import IMAGE_TAGS
from voco_model.video import sample_frames

CLIPS = {".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".flv", ".wmv", ".gif"}


class Asked(NamedTuple):
    """One question with what it is about."""

    context: str
    shown: Any
    """As the task's `doc_to_visual` gave it."""
    where: str
    """For messages: which document."""


class Visuals:
    """Makes of them what a model reads: caches of so many tokens, or the pictures themselves."""

    def __init__(self, assistant: Assistant, reading: str, n_voco: int | None, frames: int) -> None:
        self.assistant, self.reading, self.frames = assistant, reading, frames
        self.n_voco = assistant.model.check_n_voco(n_voco)

    def items(self, asked: Sequence[Asked]) -> list[list[Item]]:
        """For each question what its image tags stand for; what several questions show is looked at once."""
        looked: dict[tuple[int, int], list[list[Image.Image]]] = {}
        keys = [(id(one.shown), _tags(one.context)) for one in asked]
        for key, one in zip(keys, asked, strict=True):
            if key not in looked:
                looked[key] = self._units(one)
        read = self._pictures_of if self.reading == "causal" else self._caches_of
        items = dict(zip(looked, read(list(looked.values())), strict=True))
        return [items[key] for key in keys]

    @staticmethod
    def _pictures_of(shown: Sequence[list[list[Image.Image]]]) -> list[list[Item]]:
        return [[unit[0] if len(unit) == 1 else list(unit) for unit in units] for units in shown]

    def _caches_of(self, shown: Sequence[list[list[Image.Image]]]) -> list[list[Item]]:
        """Single squares are compressed together, those of one clip or tiled picture in their places."""
        cut = self.assistant.processor.squares
        squares = [[[s for picture in unit for s in cut(picture)] for unit in units] for units in shown]
        single = [unit[0] for units in squares for unit in units if len(unit) == 1]
        made = iter(self.assistant.compress_apart(single, self.n_voco) if single else [])
        compress = self.assistant.compress_squares
        return [[next(made) if len(u) == 1 else compress(u, self.n_voco) for u in units] for units in squares]

    def context(self, one: Asked) -> str:
        """The question; where it names no place for what it shows, that stands in front."""
        if not _each(one.shown) or _tags(one.context):
            return one.context
        return f"{IMAGE_TAGS[0]}\n{one.context}"

    def _units(self, one: Asked) -> list[list[Image.Image]]:
        """The pictures of each image tag: without tags, all of them belong to one."""
        units = [self._look(shown, one.where) for shown in _each(one.shown)]
        tags = _tags(one.context)
        if tags and tags != len(units):
            raise VocoError(f"{one.where}: {tags} image tags ({IMAGE_TAGS[0]}) for {len(units)} pictures or clips")
        return units if tags or not units else [[picture for unit in units for picture in unit]]

    def _look(self, shown: Any, where: str) -> list[Image.Image]:
        """A picture, or a clip's frames."""
        if isinstance(shown, Image.Image):
            return [shown]
        if isinstance(shown, str | Path) and Path(shown).suffix.lower() in CLIPS:
            return [frame.image for frame in sample_frames(shown, count=self.frames)]
        if isinstance(shown, str | Path):
            return [open_picture(shown, where)]
        if isinstance(shown, list) and shown and all(isinstance(frame, Image.Image) for frame in shown):
            return shown
        raise VocoError(f"{where}: shows a {type(shown).__name__}; this model sees pictures and clips alone")


def _each(shown: Any) -> list[Any]:
    return [one for one in (shown if isinstance(shown, list | tuple) else [shown]) if one is not None]


def _tags(text: str) -> int:
    return sum(text.count(tag) for tag in IMAGE_TAGS)
