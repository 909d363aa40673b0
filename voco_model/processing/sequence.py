"""One conversation as a sequence of tokens, each with its kind, its image and its label."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from functools import cache, partial
from operator import itemgetter
from typing import Any

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

    def learn(self, begin: int, end: int) -> None:
        """The tokens of these positions are learned."""
        self.labels[begin:end] = self.ids[begin:end]

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


class Controls:
    """A tokenizer's control tokens, each looked up once: asked for row by row they cost as much as the text."""

    def __init__(self, tokenizer: Any) -> None:
        self.beginning: int | None = tokenizer.bos_token_id
        self.end: str = tokenizer.eos_token
        self.number = cache(partial(_control_id, tokenizer))


def write(
    pieces: Seq[Piece],
    coded: Coded,
    controls: "Controls",
    blocks: Iterator[list[tuple[int, BlockShape]]],
    bos_is_prefix: bool,
) -> Sequence:
    """Pieces as a row; `blocks` yields, for each picture's place, its (image number, shape) list."""
    sequence = Sequence()
    if controls.beginning is not None:
        sequence.add([controls.beginning], Kind.PREFIX if bos_is_prefix else Kind.TEXT)
    others = (piece for piece in pieces if not isinstance(piece, Text))
    for run in _runs(pieces):
        _write_text(sequence, run, coded)
        piece = next(others, None)
        if isinstance(piece, Picture):
            for number, shape in next(blocks):
                sequence.add(shape.vision_ids, Kind.VISION, number)
                sequence.add(shape.voco_ids, Kind.VOCO, number)
        elif isinstance(piece, Control):
            sequence.add([controls.number(piece.token)], Kind.TEXT, answer=piece.answer)
    return sequence


def _write_text(sequence: Sequence, pieces: list[Text], coded: Coded) -> None:
    """Adjoining pieces; a token with any of an answer in it is learned."""
    text = "".join(piece.text for piece in pieces)
    if not text:
        return
    ids, offsets = coded[text]
    first = len(sequence)
    sequence.add(ids, Kind.TEXT)
    begin = 0
    for piece in pieces:
        end = begin + len(piece.text)
        if piece.answer and piece.text:
            for some, until in _tokens_of(offsets, begin, end):
                sequence.learn(first + some, first + until)
        begin = end


def _tokens_of(offsets: list[tuple[int, int]], begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Ranges of tokens that cover any character from `begin` to `end`; both sides of offsets only rise."""
    some = bisect_right(offsets, begin, key=itemgetter(1))
    until = bisect_left(offsets, end, key=itemgetter(0))
    for token in range(some, until):
        if offsets[token][0] == offsets[token][1]:  # covers nothing
            yield some, token
            some = token + 1
    yield some, until


def _control_id(tokenizer: Any, token: str) -> int:
    found = tokenizer.get_added_vocab().get(token)
    if found is None:
        found = tokenizer.convert_tokens_to_ids(token)
    if found is None or found == tokenizer.unk_token_id:
        raise VocoError(f"the tokenizer has no {token} token; choose another chat template for it")
    return found
