"""SEED-Bench: four options about pictures and clips; the letter, exactly."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from voco_model.evaluation.benchmark import Benchmark
from voco_model.evaluation.files import Record, as_object, read_json
from voco_model.evaluation.items import Item, grouped
from voco_model.evaluation.questions import LETTER, LETTERS, Question, with_options


class SeedBench(Benchmark):
    title = "SEED-Bench"
    headline = "accuracy"
    files = ("SEED-Bench.json", "SEED-Bench*.json")
    asked_files = ("llava-seed-bench*.jsonl",)
    media_folders: ClassVar[tuple[str, ...]] = (
        "SEED-Bench-image",
        "SEED-Bench-video",
        "SEED-Bench-video-image",
        "",
    )
    answer_fields = ("text", "prediction")
    answers_as_lines = True
    answers_name = "answers.jsonl"

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        path = path if truth is None else self.locate(truth)
        file = as_object(read_json(path), path, "questions")
        names = {str(number): name for name, number in file.fields.get("question_type", {}).items()}
        return [_question(one, names) for one in file.records("questions")]

    def score(self, question: Question, read: str) -> float:
        return float(read == question.truth)

    def sets(self, items: Sequence[Item]) -> dict[str, Sequence[Item]]:
        ways = grouped(items, lambda item: "video" if item.question.video else "image")
        by_number = sorted(items, key=lambda item: item.question.facts["number"])
        kinds = grouped(by_number, lambda item: item.question.kind)
        return {
            "accuracy": items,
            **ways,
            **{f"type/{kind}": own for kind, own in kinds.items()},
        }


def _question(record: Record, names: dict[str, str]) -> Question:
    number, media, text = record.need("question_id", str, int), record.text("data_id"), record.text("question")
    options = {letter: str(record.need(f"choice_{letter.lower()}", str, int, float)) for letter in LETTERS[:4]}
    answer = record.fields.get("answer")
    if answer is not None and answer not in options:
        record.fail(f"field `answer`: expected one of {', '.join(options)}, found {answer!r}")
    kind = record.need("question_type_id", int)
    segment = record.fields.get("segment")
    return Question(
        id=str(number),
        text=text,
        prompt=f"{with_options(text, options)}\n{LETTER}",
        truth=answer,
        media=media,
        video=record.text("data_type") == "video",
        segment=(float(segment[0]), float(segment[1]))
        if isinstance(segment, list) and len(segment) == 2
        else None,
        group=media,
        kind=names.get(str(kind), str(kind)),
        options=options,
        written_id=number,
        facts={"number": kind},
    )


BENCHMARK = SeedBench()
