"""VQAv2: ten people's answers; each answer is worth how many of them gave it."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from voco_model.data.faults import shown
from voco_model.evaluation.benchmark import Benchmark
from voco_model.evaluation.files import Record, as_object, found, read_json
from voco_model.evaluation.items import Figures, Item, by_fact
from voco_model.evaluation.normalise import one_line, soft_accuracy, vqa_normalised
from voco_model.evaluation.questions import WORD, Question

DECIMALS = 2
"""The official scorer rounds what it prints."""


class Vqav2(Benchmark):
    title = "VQAv2"
    files = ("*OpenEnded*questions*.json", "questions*.json")
    asked_files = ("llava_vqav2*.jsonl",)
    media_folders: ClassVar[tuple[str, ...]] = ("val2014", "train2014", "test2015", "images", "")
    answer_fields = ("text", "answer")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        file = as_object(read_json(path), path)
        if "annotations" in file.fields and "questions" not in file.fields:
            # All that LLaVA's question file leaves open.
            return [
                _question(one, {one.identity("question_id"): one}, "", "") for one in file.records("annotations")
            ]
        file.need("questions")
        where = truth if truth is not None else _beside(path)
        known = (
            {} if where is None else _annotations(where if where.is_file() else found(where, _TRUTH, self.title))
        )
        subset = str(file.fields.get("data_subtype", "val2014"))
        return [_question(one, known, one.text("question"), subset) for one in file.records("questions")]

    def read(self, question: Question, answer: str) -> str:
        answer = one_line(answer)
        return vqa_normalised(answer) if question.facts["differ"] else answer

    def score(self, question: Question, read: str) -> float:
        return soft_accuracy(read, question.truth)

    def sets(self, items: Sequence[Item]) -> dict[str, Sequence[Item]]:
        own: dict[str, Sequence[Item]] = {"accuracy": items, "overall": items}
        for fact in ("answer_type", "question_type"):
            own |= kinds_of(items, fact)
        return own

    def figures(self, items: Sequence[Item]) -> Figures:
        return rounded(super().figures(items))


def kinds_of(items: Sequence[Item], fact: str) -> dict[str, list[Item]]:
    """By names of figures, in their order."""
    kinds = by_fact(items, fact)
    return {f"{fact}/{kind}": kinds[kind] for kind in sorted(kinds)}


def rounded(figures: Figures) -> Figures:
    """As the official scorer prints them; the accuracy is kept as it is besides."""
    return {name: value if name == "accuracy" else round(value, DECIMALS) for name, value in figures.items()}


_TRUTH = ("*annotations*.json",)


def _beside(path: Path) -> Path | None:
    """The annotations of the same name beside the questions."""
    subset = next((word for word in path.stem.split("_") if word.startswith(("train", "val", "test"))), "")
    fitting = [p for p in sorted(path.parent.glob(_TRUTH[0])) if subset in p.name]
    return fitting[0] if fitting else None


def _annotations(path: Path) -> dict[str, Record]:
    file = as_object(read_json(path), path, "annotations")
    return {one.identity("question_id"): one for one in file.records("annotations")}


def _question(record: Record, known: dict[str, Record], text: str, subset: str) -> Question:
    number, image = record.need("question_id", str, int), record.need("image_id", int, str)
    facts: dict[str, object] = {}
    answers: tuple[str, ...] | None = None
    if (truth := known.get(str(number))) is not None:
        answers = ten_answers(truth)
        facts = {name: str(truth.fields.get(name, "")) for name in ("answer_type", "question_type")}
        # Only where people differ does the official scorer normalise, their answers and the one that is scored.
        facts["differ"] = len(set(answers)) > 1
        answers = tuple(map(vqa_normalised, answers)) if facts["differ"] else answers
    elif known:
        record.fail(f"question {number} has no annotation; give the annotations of the same questions (--truth)")
    return Question(
        id=str(number),
        text=text,
        prompt=f"{text}\n{WORD}",
        truth=answers,
        media=f"COCO_{subset}_{image:012d}.jpg" if subset and isinstance(image, int) else None,
        group=str(image),
        kind=str(facts.get("answer_type", "")),
        written_id=number,
        facts=facts,
    )


def ten_answers(record: Record) -> tuple[str, ...]:
    """What people answered, each on one line."""
    given = [a.get("answer") if isinstance(a, dict) else a for a in record.need("answers", list)]
    if not given or not all(isinstance(text, str) for text in given):
        told = shown(record.fields["answers"])
        record.fail(f"field `answers`: expected texts, or objects with a text `answer`, found {told}")
    return tuple(map(one_line, given))


BENCHMARK = Vqav2()
