"""What a model is shown with a question: its picture, its clip's frames, or nothing."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from voco_model.assistant import Assistant
from voco_model.cache import VocoCache
from voco_model.evaluation.benchmark import Benchmark
from voco_model.evaluation.questions import Question
from voco_model.processing.batching import Item
from voco_model.processing.pictures import open_picture
from voco_model.video import sample_frames

Medium = tuple[str | None, str | None, bool, tuple[float, float] | None]
"""A picture or a part of a clip, as questions name it."""


def medium_of(question: Question) -> Medium | None:
    """What the question is about; None where it stands alone."""
    if question.media is None and question.encoded is None:
        return None
    return question.media, question.encoded, question.video, question.segment


def check_media(benchmark: Benchmark, root: Path, questions: Iterable[Question]) -> None:
    """Refuse a picture or clip that is not there, before anything is asked."""
    for question in {q.media: q for q in questions if q.media is not None}.values():
        benchmark.media_path(root, question)


class Shown:
    """The pictures and clips of a few questions at a time, each looked at once for all that ask about it."""

    def __init__(self, assistant: Assistant, benchmark: Benchmark, root: Path, frames: int) -> None:
        self.assistant, self.benchmark, self.root, self.frames = assistant, benchmark, root, frames
        self._pictures: dict[Medium, Item] = {}
        self._caches: dict[tuple[Medium, int | None], VocoCache] = {}
        """Pictures' with all their tokens, under None; clips' by their number of tokens."""

    def only(self, questions: Sequence[Question]) -> None:
        """Forget what none of these is about."""
        wanted = {medium_of(question) for question in questions}
        self._pictures = {medium: p for medium, p in self._pictures.items() if medium in wanted}
        self._caches = {key: cache for key, cache in self._caches.items() if key[0] in wanted}

    def pictures(self, questions: Sequence[Question]) -> list[list[Item]]:
        """For each question its picture, or its clip's frames: the same object for the same one."""
        return [[self._seen(question)] if medium_of(question) else [] for question in questions]

    def caches(self, questions: Sequence[Question], n_voco: int, most: int) -> list[list[Item]]:
        """For each question its picture's cache with `n_voco` tokens; pictures are compressed once, with `most`.

        An image's first tokens are the same however many follow. Frames that follow each other stand elsewhere for
        each number of tokens, so clips are compressed for each.
        """
        new: dict[Medium, Image.Image] = {}
        for question in questions:
            medium = medium_of(question)
            if medium is None or (medium, None) in self._caches or (medium, n_voco) in self._caches:
                continue
            squares = self._squares(question)
            if len(squares) == 1:
                new[medium] = squares[0]
            else:
                self._caches[medium, n_voco] = self.assistant.compress_squares(squares, n_voco)
        if new:
            made = self.assistant.compress_apart(list(new.values()), most)
            self._caches |= dict(zip(((medium, None) for medium in new), made, strict=True))
        return [self._cache(question, n_voco) for question in questions]

    def _cache(self, question: Question, n_voco: int) -> list[Item]:
        medium = medium_of(question)
        if medium is None:
            return []
        own = self._caches.get((medium, n_voco))
        return [own if own is not None else self._caches[medium, None].first(n_voco)]

    def _squares(self, question: Question) -> list[Image.Image]:
        seen: Any = self._seen(question)
        pictures = seen if isinstance(seen, list) else [seen]
        return [square for one in pictures for square in self.assistant.processor.squares(one)]

    def _seen(self, question: Question) -> Item:
        medium = medium_of(question)
        assert medium is not None
        if medium not in self._pictures:
            self._pictures[medium] = self._look(question)
        return self._pictures[medium]

    def _look(self, question: Question) -> Item:
        where = f"{self.benchmark.title}: question {question.id}"
        if question.encoded is not None:
            return open_picture(question.picture(), where)
        path = self.benchmark.media_path(self.root, question)
        if not question.video:
            return open_picture(path, where)
        return [frame.image for frame in sample_frames(path, count=self.frames, between=question.segment)]
