"""A benchmark's question, whatever file it came from."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from voco_model.errors import VocoError

WORD = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
"""How LLaVA-1.5 asks for a short answer, and for an option."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, about what, and what the scorer compares an answer with."""

    id: str
    text: str
    """The question alone."""
    prompt: str
    """What the model is asked, without the tag of the picture."""
    truth: Any = None
    """Of the type that the benchmark's scorer reads; None where the file does not tell."""
    media: str | None = None
    """The picture or clip, below one of the benchmark's media folders."""
    encoded: str | None = None
    """A picture that stands in the file itself, as base64."""
    video: bool = False
    segment: tuple[float, float] | None = None
    """The seconds of the clip that are asked about."""
    group: str = ""
    """Questions of one group are about the same picture or clip: intervals are clustered by it."""
    kind: str = ""
    """The benchmark's type of question."""
    options: dict[str, str] = field(default_factory=dict)
    """By letter."""
    category: str = ""
    """Part of the benchmark: split, subtask."""
    aliases: tuple[str, ...] = ()
    """Other ids by which answer files call it."""
    written_id: int | str = ""
    """The id as the file has it, for the official form of answers."""
    counts: bool = True
    """False where it is asked but not scored."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else a scorer needs."""

    def picture(self) -> bytes:
        """The picture that stands in the file."""
        try:
            return base64.b64decode(self.encoded or "", validate=True)
        except binascii.Error as error:
            raise VocoError(f"question {self.id}: its `image` is not base64: {error}") from None


def with_options(text: str, options: dict[str, str]) -> str:
    """The question, and an option on each line."""
    return "\n".join([text, *(f"{letter}. {option}" for letter, option in options.items())])


def lettered(options: list[str]) -> dict[str, str]:
    return dict(zip(LETTERS, options, strict=False))


def chosen(questions: Sequence[Question], limit: int | None) -> Sequence[Question]:
    """Questions about whole pictures, since figures such as MME's accuracy+ are of pairs; in the file's order."""
    if limit is None or limit >= len(questions):
        return questions
    sizes: dict[str, int] = {}
    for question in questions:
        sizes[question.group] = sizes.get(question.group, 0) + 1
    taken: set[str] = set()
    left = limit
    for group in sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if sizes[group] > left and taken:
            break
        taken.add(group)
        left -= sizes[group]
    return [question for question in questions if question.group in taken]
