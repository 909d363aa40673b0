"""GQA: exact answers to compositional questions; only balanced questions count."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from voco_model.evaluation.benchmark import Benchmark
from voco_model.evaluation.files import Record, as_object, read_json
from voco_model.evaluation.items import Figures, Item, by_fact, mean
from voco_model.evaluation.questions import WORD, Question

_NO_STEPS = ("exist", "query: name", "choose name")
"""A program's steps with one of these in them are not counted."""
_ATTRIBUTES = {"color", "material", "shape"}


class Gqa(Benchmark):
    title = "GQA"
    files = ("*balanced_questions*.json", "*all_questions*.json", "questions*.json")
    asked_files = ("llava_gqa*.jsonl",)
    media_folders: ClassVar[tuple[str, ...]] = ("images", "data/images", "")
    id_fields = ("question_id", "questionId")
    answer_fields = ("text", "prediction")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        file = as_object(read_json(path if truth is None else self.locate(truth)), path)
        choices = _choices(path)
        return [_question(number, name, file, choices) for number, name in enumerate(file.fields, start=1)]

    def read(self, question: Question, answer: str) -> str:
        return answer.rstrip(".").lower()

    def score(self, question: Question, read: str) -> float:
        return float(read == question.truth)

    def sets(self, items: Sequence[Item]) -> dict[str, Sequence[Item]]:
        counted = [item for item in items if item.question.counts]
        own: dict[str, Sequence[Item]] = {
            "accuracy": counted,
            "binary": [i for i in counted if i.question.facts["structural"] != "query"],
            "open": [i for i in counted if i.question.facts["structural"] == "query"],
            **_consistency(items),
            **_choosing(counted),
        }
        for fact in ("structural", "semantic", "steps", "words"):
            kinds = by_fact(counted, fact)
            own |= {f"accuracy/{fact}/{kind}": kinds[kind] for kind in sorted(kinds)}
        return own

    def figures(self, items: Sequence[Item]) -> Figures:
        counted = [item for item in items if item.question.counts]
        return {**super().figures(items), **_distribution(counted)}


def _question(number: int, name: str, file: Record, choices: Mapping[str, Any] | None) -> Question:
    value = file.fields[name]
    record = Record(file.path, number, value if isinstance(value, dict) else {})
    types, semantic = record.need("types", dict), record.need("semantic", list)
    text, image = record.text("question"), record.text("imageId")
    facts = {
        "structural": str(types.get("structural")),
        "semantic": str(types.get("semantic")),
        "steps": sum(_is_step(step) for step in semantic),
        "words": len(text.split()),
        "global": record.need("groups", dict).get("global"),
        "entailed": [other for other in record.fields.get("entailed", []) if other != name],
    }
    if choices is not None:
        facts["choices"] = choices.get(name, {})
        facts["common"] = "Common" in str(types.get("detailed"))
    return Question(
        id=name,
        text=text,
        prompt=f"{text}\n{WORD}",
        truth=record.text("answer"),
        media=f"{image}.jpg",
        group=image,
        kind=facts["structural"],
        written_id=name,
        counts=bool(record.fields.get("isBalanced", True)),
        facts=facts,
    )


def _is_step(step: Mapping[str, str]) -> bool:
    told = f"{step.get('operation')}: {step.get('argument')}"
    return not any(word in told for word in _NO_STEPS)


def _choices(path: Path) -> Mapping[str, Any] | None:
    """The valid and plausible answers, where their file lies beside the questions."""
    files = sorted(path.parent.glob("*_choices.json"))
    return as_object(read_json(files[0]), files[0]).fields if files else None


def _consistency(items: Sequence[Item]) -> dict[str, list[Item]]:
    """Over what right answers entail; only where every entailed question is in the file and answered."""
    by_id = {item.question.id: item for item in items}
    entailed = {item.question.id: item.question.facts["entailed"] for item in items if item.question.counts}
    needed = {other for others in entailed.values() for other in others}
    if not needed or any(other not in by_id or by_id[other].answer is None for other in needed):
        return {}
    right = [item for item in items if item.score and entailed.get(item.question.id)]
    worth = [mean([by_id[other].score for other in entailed[item.question.id]]) for item in right]
    return {"consistency": _scored(right, worth)}


def _choosing(counted: Sequence[Item]) -> dict[str, list[Item]]:
    """Whether answers are among those that the question allows, and among those that happen in the world."""
    if any("choices" not in item.question.facts for item in counted):
        return {}

    def allowed(item: Item, name: str) -> Any:
        facts = item.question.facts
        return _ATTRIBUTES if facts["common"] else facts["choices"].get(name, ())

    figures = {"validity": "valid", "plausibility": "plausible"}
    return {
        figure: _scored(counted, [float(i.read in allowed(i, name)) for i in counted])
        for figure, name in figures.items()
    }


def _scored(items: Sequence[Item], scores: Sequence[float]) -> list[Item]:
    return [replace(item, score=score) for item, score in zip(items, scores, strict=True)]


def _distribution(counted: Sequence[Item]) -> Figures:
    """How far answers are from being as frequent as the right ones, within groups; smaller is better."""
    gold: dict[str, Counter[str]] = {}
    given: dict[str, Counter[str]] = {}
    for item in counted:
        group = item.question.facts["global"]
        if group is not None:
            gold.setdefault(group, Counter())[item.question.truth] += 1
            given.setdefault(group, Counter())[item.read] += 1
    if not gold:
        return {}
    total = sum(answers.total() for answers in gold.values())
    weighed = sum(
        sum((given[group][answer] - n) ** 2 / n for answer, n in answers.items()) * answers.total()
        for group, answers in gold.items()
    )
    return {"distribution": weighed / total / 100}


BENCHMARK = Gqa()
