"""A model's answers to a benchmark's questions: greedy, in batches, each picture compressed once for all of them.

    readings = [Reading.rule(1), Reading.rule(4)]           # or Reading.causal(): all vision tokens in sight
    answers = answer_all(assistant, benchmark, questions, root, readings, Asking(), kept=folder)
    answers[readings[0]]                                     # one text for each question

With `kept`, answers are written down as they come, and a second call asks only what is not answered yet.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from voco_model.assistant import Assistant
from voco_model.errors import VocoError
from voco_model.evaluation.benchmark import Benchmark
from voco_model.evaluation.journal import Journal, question_key
from voco_model.evaluation.questions import Question
from voco_model.evaluation.showing import Shown, check_media, medium_of
from voco_model.processing.batching import Item
from voco_model.training.determinism import same_every_time

Tell = Callable[[int, int], None]
"""Takes how many answers there are, and of how many."""


@dataclass(frozen=True)
class Reading:
    """How text reads the pictures: so many VoCo tokens of each through the rule, or all vision tokens."""

    way: Literal["rule", "causal"]
    n_voco: int | None = None
    """None: as many as the model has."""

    @classmethod
    def rule(cls, n_voco: int | None = None) -> "Reading":
        return cls("rule", n_voco)

    @classmethod
    def causal(cls) -> "Reading":
        return cls("causal")


@dataclass(frozen=True)
class Asking:
    """How questions are put."""

    batch: int = 32
    """Questions that are answered together."""
    max_new_tokens: int = 32
    """The longest answer."""
    frames: int = 8
    """Of a clip."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or value < 1:
                raise VocoError(f"{name} is {value}; give a whole number of at least 1")


def answer_all(
    assistant: Assistant,
    benchmark: Benchmark,
    questions: Sequence[Question],
    root: Path,
    readings: Sequence[Reading],
    asking: Asking,
    *,
    kept: Path | None = None,
    tell: Tell = lambda done, total: None,
) -> dict[Reading, list[str]]:
    """One answer for each question, by each reading. `root` is where the questions' pictures and clips lie."""
    check_media(benchmark, root, questions)
    model = assistant.model
    numbers = {r: model.check_n_voco(r.n_voco) for r in readings if r.way == "rule"}
    shown = Shown(assistant, benchmark, root, asking.frames)
    with ExitStack() as stack:
        stack.enter_context(same_every_time(model.device.type))
        journals = {r: stack.enter_context(Journal(kept, _about(assistant, r, numbers, asking))) for r in readings}
        keys = [question_key(question) for question in questions]
        total = len(questions) * len(readings)
        done = sum(key in journal.answers for journal in journals.values() for key in keys)
        tell(done, total)
        for batch in _batches(questions, asking.batch):
            shown.only([questions[number] for number in batch])
            for reading, journal in journals.items():
                left = [number for number in batch if keys[number] not in journal.answers]
                if not left:
                    continue
                asked = [questions[number] for number in left]
                answers = assistant.read(
                    _items(shown, asked, numbers.get(reading), max(numbers.values(), default=0)),
                    [question.prompt for question in asked],
                    reading=reading.way,
                    max_new_tokens=asking.max_new_tokens,
                )
                journal.add(zip([keys[number] for number in left], answers, strict=True))
                done += len(left)
                tell(done, total)
        return {reading: [journal.answers[key] for key in keys] for reading, journal in journals.items()}


def _items(shown: Shown, questions: Sequence[Question], n_voco: int | None, most: int) -> list[list[Item]]:
    """Caches for a reading of so many tokens, the pictures themselves for a causal one."""
    return shown.pictures(questions) if n_voco is None else shown.caches(questions, n_voco, most)


def _about(
    assistant: Assistant, reading: Reading, numbers: dict[Reading, int], asking: Asking
) -> dict[str, object]:
    """All that decides an answer beside its question. The batch does not."""
    return {
        "model": assistant.model.digest(),
        "reading": reading.way,
        "n_voco": numbers.get(reading),
        "template": assistant.processor.template,
        "aspect": assistant.processor.aspect,
        "max_new_tokens": asking.max_new_tokens,
        "frames": asking.frames,
    }


def _batches(questions: Sequence[Question], size: int) -> Iterator[list[int]]:
    """The questions' numbers: those about one picture stay together, as far as a batch holds them."""
    groups: dict[object, list[int]] = {}
    for number, question in enumerate(questions):
        medium = medium_of(question)
        groups.setdefault(("alone", number) if medium is None else medium, []).append(number)
    batch: list[int] = []
    for group in groups.values():
        if batch and len(batch) + len(group) > size:
            yield batch
            batch = []
        batch = [*batch, *group]
        while len(batch) > size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch
