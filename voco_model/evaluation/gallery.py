"""A few right and a few wrong answers with their pictures, drawn by the questions' names: the same every time."""

import base64
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from voco_model.evaluation.items import Item
from voco_model.evaluation.questions import Question

EACH = 3
"""Right answers, and as many wrong ones."""
RIGHT = 0.5
"""What an answer is worth that counts as right here: half of the full score."""
SIDE, STRIP = 168, 3
"""Pixels of a picture's longer side; pictures that stand for a clip."""
LONGEST = 280
"""Characters of a text; a picture is worth more than the rest of them."""
See = Callable[[Question], Sequence[Image.Image]]
"""Gives a question's picture, its clip's frames, or nothing."""


@dataclass(frozen=True)
class Card:
    """One question with its answer, as a page shows it."""

    question: str
    kind: str
    given: str
    read: str
    """What the scorer reads in it; empty where that is the answer itself."""
    wanted: str
    score: float
    right: bool
    picture: str
    """A data URI; empty where the question stands alone."""


def gallery(items: Sequence[Item], see: See, each: int = EACH, seed: int = 0) -> list[Card]:
    """`each` right answers, then as many wrong ones, about different pictures as far as there are."""
    counted = [item for item in items if item.question.counts and item.answer is not None]
    right = _drawn([item for item in counted if item.score >= RIGHT], each, seed)
    wrong = _drawn([item for item in counted if item.score < RIGHT], each, seed)
    return [_card(item, see) for item in (*right, *wrong)]


def _drawn(items: Sequence[Item], n: int, seed: int) -> list[Item]:
    def chance(item: Item) -> bytes:
        return hashlib.sha256(f"{seed}|{item.question.id}".encode()).digest()

    first: list[Item] = []
    again: list[Item] = []
    shown: set[str] = set()
    for item in sorted(items, key=chance):
        (again if item.question.group in shown else first).append(item)
        shown.add(item.question.group)
    return [*first, *again][:n]


def _card(item: Item, see: See) -> Card:
    question = item.question
    return Card(
        question=shortened(question.text),
        kind=question.kind or question.category,
        given=shortened(_told(item.answer or "", question)),
        read=shortened(item.read) if _plain(item.read) != _plain(item.answer or "") else "",
        wanted=shortened(wanted(question)),
        score=round(float(item.score), 3),
        right=item.score >= RIGHT,
        picture=data_uri(see(question)),
    )


def _plain(text: str) -> str:
    return text.strip().rstrip(".").lower()


def wanted(question: Question) -> str:
    """The right answer as a person reads it."""
    truth: Any = question.truth
    if isinstance(truth, str):
        return _told(truth, question)
    if isinstance(truth, Sequence) and all(isinstance(part, int | float) for part in truth):
        return "[" + ", ".join(f"{part:g}" for part in truth) + "]"
    if isinstance(truth, Sequence):
        said = [part if isinstance(part, str) else " ".join(map(str, part)) for part in truth]
        return " / ".join(text for text, _ in Counter(said).most_common(3))
    return str(truth)


def _told(answer: str, question: Question) -> str:
    """An option's letter with what it stands for."""
    option = question.options.get(answer.strip().rstrip("."))
    return answer if option is None else f"{answer.strip()} ({option})"


def shortened(text: str) -> str:
    """A text that fits beside a picture."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def data_uri(pictures: Sequence[Image.Image], side: int = SIDE) -> str:
    """A picture, or a strip of a clip's first, middle and last frame, small and inside the page itself."""
    if not pictures:
        return ""
    last = len(pictures) - 1
    taken = sorted({0, last // 2, last})[:STRIP]
    small = [pictures[k].convert("RGB") for k in taken]
    for one in small:
        one.thumbnail((side, side), Image.Resampling.BICUBIC)
    strip = Image.new("RGB", (sum(one.width for one in small) + 2 * (len(small) - 1), small[0].height), "white")
    left = 0
    for one in small:
        strip.paste(one, (left, 0))
        left += one.width + 2
    return encoded(strip, "JPEG", quality=82)


def encoded(picture: Image.Image, form: str, **options: Any) -> str:
    """A picture's bytes as a data URI."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
