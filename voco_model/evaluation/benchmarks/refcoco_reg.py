"""RefCOCO/+/g generation: say what is in a box; CIDEr against all expressions of the object."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from voco_model.evaluation.benchmark import Answers, Benchmark
from voco_model.evaluation.cider import Cider
from voco_model.evaluation.items import Item, Shares
from voco_model.evaluation.ptb import tokens
from voco_model.evaluation.questions import Question
from voco_model.evaluation.referring import FILES, Referred, by_split, objects

ASK = "Please provide a short description for this region: {}."


class RefCocoReg(Benchmark):
    def __init__(self, data: str = "RefCOCO") -> None:
        self.title = f"{data} REG"  # type: ignore[misc]

    headline = "CIDEr"
    scale = 1.0
    headline_scale = 100.0
    files = FILES
    media_folders: ClassVar[tuple[str, ...]] = ("train2014", "images", "")
    id_fields = ("question_id", "ref_id")
    answer_fields = ("text", "sent")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        return [_question(thing) for thing in objects(path, truth)]

    def read(self, question: Question, answer: str) -> str:
        return " ".join(tokens(answer))

    def score(self, question: Question, read: str) -> float:
        """CIDEr is of a whole set of answers: score_all gives it."""
        raise NotImplementedError

    def score_all(self, questions: Sequence[Question], answers: Answers) -> list[Item]:
        items = [
            Item(q, a, "" if a is None else self.read(q, a), 0.0) for q, a in zip(questions, answers, strict=True)
        ]
        return _with_scores(items)

    def sets(self, items: Sequence[Item]) -> dict[str, Sequence[Item]]:
        """Over all, and of each split by itself: how rare words are is counted in the set that is scored."""
        return {"CIDEr": items} | {f"{split}/CIDEr": _with_scores(own) for split, own in by_split(items).items()}

    def parts(self, items: Sequence[Item]) -> dict[str, Shares]:
        return {split: self.shares(_with_scores(own)) for split, own in by_split(items).items()}

    def answer_list(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict) and "predictions" in value:
            return value["predictions"]
        return super().answer_list(value, path)

    def official_answers(self, questions: Sequence[Question], answers: Answers) -> Any:
        pairs = zip(questions, answers, strict=True)
        return {"predictions": [{"sent": answer or "", "ref_id": q.written_id} for q, answer in pairs]}


def _with_scores(items: Sequence[Item]) -> list[Item]:
    cider = Cider([item.question.truth for item in items])
    scores = [cider.score(item.read.split(), item.question.truth) for item in items]
    return [replace(item, score=score) for item, score in zip(items, scores, strict=True)]


def _question(thing: Referred) -> Question:
    box = "[" + ", ".join(f"{edge:.2f}" for edge in thing.share) + "]"
    return Question(
        id=thing.id,
        text=box,
        prompt=ASK.format(box),
        truth=[tokens(sentence) for _, sentence in thing.sentences],
        media=thing.image,
        group=str(thing.image_id),
        kind=thing.split,
        category=thing.split,
        written_id=thing.record.fields["ref_id"],
    )


BENCHMARK = RefCocoReg()
