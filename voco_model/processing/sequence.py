"""One conversation as a sequence of tokens, each with its kind, its image and its label."""

from array import array
from collections.abc import Iterable, Iterator
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


def write(
    pieces: Iterable[Piece],
    tokenizer: Any,
    blocks: Iterator[list[tuple[int, BlockShape]]],
    bos_is_prefix: bool,
) -> Sequence:
    """Tokenize the pieces; `blocks` yields, for each picture's place, its (image number, shape) list."""
    sequence = Sequence()
    if tokenizer.bos_token_id is not None:
        sequence.add([tokenizer.bos_token_id], Kind.PREFIX if bos_is_prefix else Kind.TEXT)
    pending: list[Text] = []
    for piece in pieces:
        if isinstance(piece, Text):
            pending.append(piece)
            continue
        _write_text(sequence, pending, tokenizer)
        pending = []
        if isinstance(piece, Picture):
            for number, shape in next(blocks):
                sequence.add(shape.vision_ids, Kind.VISION, number)
                sequence.add(shape.voco_ids, Kind.VOCO, number)
        elif isinstance(piece, Control):
            sequence.add([_control_id(tokenizer, piece.token)], Kind.TEXT, answer=piece.answer)
    _write_text(sequence, pending, tokenizer)
    return sequence


def _write_text(sequence: Sequence, pieces: list[Text], tokenizer: Any) -> None:
    """Tokenize adjoining pieces as the one text that they are; a token with any of an answer in it is learned."""
    text = "".join(piece.text for piece in pieces)
    if not text:
        return
    coded = tokenizer(
        text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
    )
    learned = np.zeros(len(text) + 1, dtype=np.int64)  # how many characters of answers stand before each
    at = 0
    for piece in pieces:
        learned[at + 1 : at + len(piece.text) + 1] = piece.answer
        at += len(piece.text)
    learned = learned.cumsum()
    starts, ends = np.array(coded["offset_mapping"], dtype=np.int64).reshape(-1, 2).T
    sequence.add_marked(coded["input_ids"], learned[ends] > learned[starts])


def _control_id(tokenizer: Any, token: str) -> int:
    found = tokenizer.get_added_vocab().get(token)
    if found is None:
        found = tokenizer.convert_tokens_to_ids(token)
    if found is None or found == tokenizer.unk_token_id:
        raise VocoError(f"the tokenizer has no {token} token; choose another chat template for it")
    return found
