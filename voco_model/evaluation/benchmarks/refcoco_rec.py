"""RefCOCO/+/g comprehension: the box of what an expression means, right from an overlap of one half."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from voco_model.evaluation.benchmark import Benchmark
from voco_model.evaluation.items import Figures, Item, Shares
from voco_model.evaluation.questions import Question
from voco_model.evaluation.referring import FILES, Referred, by_split, first_box, in_pixels, objects, overlap

ASK = "Please provide the bounding box coordinate of the region this sentence describes: {}."
ENOUGH = 0.5


class RefCocoRec(Benchmark):
    def __init__(self, data: str = "RefCOCO") -> None:
        self.title = f"{data} REC"  # type: ignore[misc]

    files = FILES
    media_folders: ClassVar[tuple[str, ...]] = ("train2014", "images", "")
    id_fields = ("question_id", "sent_id")
    answer_fields = ("text", "box", "prediction", "answer")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        return [question for thing in objects(path, truth) for question in _questions(thing)]

    def score(self, question: Question, read: str) -> float:
        box = first_box(read)
        return (
            0.0
            if box is None
            else float(overlap(in_pixels(box, question.facts["size"]), question.truth) >= ENOUGH)
        )

    def sets(self, items: Sequence[Item]) -> dict[str, Sequence[Item]]:
        return {"accuracy": items} | {f"{split}/accuracy": own for split, own in by_split(items).items()}

    def figures(self, items: Sequence[Item]) -> Figures:
        boxes = sum(first_box(item.read) is not None for item in items)
        return {**super().figures(items), "boxes": float(boxes)}

    def parts(self, items: Sequence[Item]) -> dict[str, Shares]:
        return {split: self.shares(own) for split, own in by_split(items).items()}


def _questions(thing: Referred) -> list[Question]:
    return [
        Question(
            id=str(number),
            text=sentence,
            prompt=ASK.format(sentence),
            truth=thing.box,
            media=thing.image,
            group=str(thing.image_id),
            kind=thing.split,
            category=thing.split,
            written_id=number,
            facts={"size": thing.size},
        )
        for number, sentence in thing.sentences
    ]


BENCHMARK = RefCocoRec()
