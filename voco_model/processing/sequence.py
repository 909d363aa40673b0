"""One conversation as a sequence of tokens, each with its kind, its image and its label."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voco_model.errors import VocoError
from voco_model.processing.templates import Control, Picture, Piece, Text
from voco_model.segments import NO_IMAGE, Kind

IGNORE = -100
"""The label of tokens that nobody learns."""
INTEGERS = "q"
"""The columns' 64-bit integers: tensors take them as they are, where lists would be read number by number."""


def _column() -> "array[int]":
    return array(INTEGERS)


@dataclass
class Sequence:
    """Parallel columns, one entry for each position."""

    ids: "array[int]" = field(default_factory=_column)
    kinds: "array[int]" = field(default_factory=_column)
    images: "array[int]" = field(default_factory=_column)
    labels: "array[int]" = field(default_factory=_column)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: Iterable[int], kind: Kind, image: int = NO_IMAGE, answer: bool = False) -> None:
        ids = array(INTEGERS, ids)
        self.ids += ids
        self.kinds += array(INTEGERS, [kind]) * len(ids)
        self.images += array(INTEGERS, [image]) * len(ids)
        self.labels += ids if answer else array(INTEGERS, [IGNORE]) * len(ids)

    def add_marked(self, ids: list[int], answer: np.ndarray) -> None:
        """Text of which each token says whether it is learned."""
        self.add(ids, Kind.TEXT)
        self.labels[len(self) - len(ids) :] = array(INTEGERS, np.where(answer, ids, IGNORE).tolist())

    def cut(self, length: int) -> None:
        """Drop everything from `length` on."""
        for values in (self.ids, self.kinds, self.images, self.labels):
            del values[length:]

    def fit(self, most: int, vision_counts: bool) -> bool:
        """Cut to `most` positions without ever cutting an image's block; whether anything was cut."""
        if len(self) <= most:
            return False
        used, end = 0, len(self)
        for column, kind in enumerate(self.kinds):
            used += 1 if kind != Kind.VISION or vision_counts else 0
            if used > most:
                end = column
                break
        else:
            return False
        image = self.images[end]
        if image != NO_IMAGE:
            end = self.images.index(image)
        self.cut(end)
        return True


@dataclass(frozen=True)
class BlockShape:
    """What one image block looks like in the sequence."""

    vision_ids: Seq[int]
    """Placeholders of the features, and the tokens that close them."""
    voco_ids: Seq[int]


Coded = Mapping[str, tuple[list[int], list[tuple[int, int]]]]
"""A text's tokens, and the characters that each of them covers."""


def code(rows: Iterable[Seq[Piece]], tokenizer: Any) -> Coded:
    """All texts of several rows' pieces at once: a tokenizer takes a batch in a fraction of its texts' time."""
    texts = list(dict.fromkeys("".join(p.text for p in run) for pieces in rows for run in _runs(pieces) if run))
    texts = [text for text in texts if text]
    if not texts:
        return {}
    coded = tokenizer(
        texts, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
    )
    return dict(zip(texts, zip(coded["input_ids"], coded["offset_mapping"], strict=True), strict=True))


def _runs(pieces: Seq[Piece]) -> Iterator[list[Text]]:
    """Adjoining texts: each run is tokenized as the one text that it is."""
    run: list[Text] = []
    for piece in pieces:
        if isinstance(piece, Text):
            run.append(piece)
        else:
            yield run
            run = []
    yield run


def write(
    pieces: Seq[Piece],
    coded: Coded,
    tokenizer: Any,
    blocks: Iterator[list[tuple[int, BlockShape]]],
    bos_is_prefix: bool,
) -> Sequence:
    """Pieces as a row; `blocks` yields, for each picture's place, its (image number, shape) list."""
    sequence = Sequence()
    if tokenizer.bos_token_id is not None:
        sequence.add([tokenizer.bos_token_id], Kind.PREFIX if bos_is_prefix else Kind.TEXT)
    others = (piece for piece in pieces if not isinstance(piece, Text))
    for run in _runs(pieces):
        _write_text(sequence, run, coded)
        piece = next(others, None)
        if isinstance(piece, Picture):
            for number, shape in next(blocks):
                sequence.add(shape.vision_ids, Kind.VISION, number)
                sequence.add(shape.voco_ids, Kind.VOCO, number)
        elif isinstance(piece, Control):
            sequence.add([_control_id(tokenizer, piece.token)], Kind.TEXT, answer=piece.answer)
    return sequence


def _write_text(sequence: Sequence, pieces: list[Text], coded: Coded) -> None:
    """Adjoining pieces; a token with any of an answer in it is learned."""
    text = "".join(piece.text for piece in pieces)
    if not text:
        return
    ids, offsets = coded[text]
    if not any(piece.answer for piece in pieces):
        sequence.add(ids, Kind.TEXT)
        return
    learned = np.zeros(len(text) + 1, dtype=np.int64)  # how many characters of answers stand before each
    at = 0
    for piece in pieces:
        learned[at + 1 : at + len(piece.text) + 1] = piece.answer
        at += len(piece.text)
    learned = learned.cumsum()
    starts, ends = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
    sequence.add_marked(ids, learned[ends] > learned[starts])


def _control_id(tokenizer: Any, token: str) -> int:
    found = tokenizer.get_added_vocab().get(token)
    if found is None:
        found = tokenizer.convert_tokens_to_ids(token)
    if found is None or found == tokenizer.unk_token_id:
        raise VocoError(f"the tokenizer has no {token} token; choose another chat template for it")
    return found
