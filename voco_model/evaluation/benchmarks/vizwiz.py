"""VizWiz: what blind people ask; the answer is normalised, people's answers are taken as they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from voco_model.evaluation.benchmark import Benchmark
from voco_model.evaluation.benchmarks.vqav2 import rounded
from voco_model.evaluation.files import Record, as_records, read_json
from voco_model.evaluation.items import Figures, Item, grouped
from voco_model.evaluation.normalise import one_line, soft_accuracy, vqa_normalised
from voco_model.evaluation.questions import WORD, Question

UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'."


class VizWiz(Benchmark):
    title = "VizWiz"
    files = ("val.json", "test.json", "*val*.json", "*test*.json")
    asked_files = ("llava_*.jsonl",)
    media_folders: ClassVar[tuple[str, ...]] = ("val", "test", "")
    id_fields = ("question_id", "image")
    answer_fields = ("text", "answer")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        path = path if truth is None else self.locate(truth)
        return [_question(one) for one in as_records(read_json(path), path)]

    def read(self, question: Question, answer: str) -> str:
        return vqa_normalised(one_line(answer))

    def score(self, question: Question, read: str) -> float:
        return soft_accuracy(read, question.truth)

    def sets(self, items: Sequence[Item]) -> dict[str, Sequence[Item]]:
        kinds = grouped(items, lambda item: item.question.kind)
        own = {f"answer_type/{kind}": kinds[kind] for kind in sorted(kinds)}
        return {"accuracy": items, "overall": items, **own}

    def figures(self, items: Sequence[Item]) -> Figures:
        return rounded(super().figures(items))


def _question(record: Record) -> Question:
    image, text = record.text("image"), record.text("question")
    answers = None
    if "answers" in record.fields:
        answers = tuple(
            str(Record(record.path, record.number, a).text("answer")) for a in record.need("answers", list)
        )
    return Question(
        id=image,
        text=text,
        prompt=f"{text}\n{UNANSWERABLE}\n{WORD}",
        truth=answers,
        media=image,
        group=image,
        kind=str(record.fields.get("answer_type", "")),
        aliases=(str(record.number - 1),),
        written_id=image,
    )


BENCHMARK = VizWiz()
