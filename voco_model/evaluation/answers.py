"""Answers made elsewhere: read from LLaVA-style or official files, and brought to their questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voco_model.data.faults import shown
from voco_model.errors import VocoError
from voco_model.evaluation.benchmark import Benchmark
from voco_model.evaluation.files import Record, as_records, kind_of, read_json
from voco_model.evaluation.matching import Finder
from voco_model.evaluation.questions import Question

PROMPT_FIELDS = ("prompt", "question", "Q")
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of an answer file."""

    id: str | None
    """None where the file pairs answers with questions by their order."""
    text: str
    prompt: str = ""
    category: str = ""


@dataclass(frozen=True)
class Matched:
    """An answer or None for each question, and what did not fit."""

    answers: list[str | None]
    missing: list[str]
    """Scored questions without an answer: they count as wrong."""
    duplicates: list[str]
    """Questions answered more than once: the last answer counts, as where the authors read them into a table."""
    unknown: list[str]
    """Answers to questions that are not there."""

    def remarks(self) -> list[str]:
        """What a reader of the figures has to know."""
        told = (
            (self.missing, "without an answer, counted as wrong"),
            (self.duplicates, "answered more than once, the last answer counts"),
            (self.unknown, "answered but not asked, left out"),
        )
        return [f"{len(ids)} {what}: {_some(ids)}" for ids, what in told if ids]


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")


def read_answers(path: Path, benchmark: Benchmark) -> list[Answer]:
    """The answers in a file, or in a folder where the benchmark's own form is one."""
    if path.is_dir() or path.suffix.lower() not in (".json", ".jsonl"):
        return [answer_of(record, benchmark) for record in benchmark.answer_table(path)]
    value = read_json(path)
    records = as_records(benchmark.answer_list(value, path), path)
    if not records:
        raise VocoError(f"{path}: no answer in it")
    return [answer_of(record, benchmark) for record in records]


def answer_of(record: Record, benchmark: Benchmark) -> Answer:
    """One record, whichever of the names that are in use its fields have."""
    fields = record.fields
    id_field = next((name for name in benchmark.id_fields if name in fields), None)
    field = next((name for name in benchmark.answer_fields if name in fields), None)
    if field is None or (id_field is None and not benchmark.by_order):
        ids, texts = " or ".join(benchmark.id_fields), " or ".join(benchmark.answer_fields)
        record.fail(f"expected fields {ids}, and {texts}; found {kind_of(fields)}")
    return Answer(
        id=None if id_field is None else record.identity(id_field),
        text=_text(record, field),
        prompt=next((str(fields[name]) for name in PROMPT_FIELDS if name in fields), ""),
        category=str(fields.get("category", "")),
    )


def _text(record: Record, field: str) -> str:
    value = record.fields[field]
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and all(isinstance(v, int | float) for v in value):
        return str(value)
    return record.fail(f"field `{field}`: expected text, found {shown(value)}")


def matched(questions: Sequence[Question], answers: Sequence[Answer], benchmark: Benchmark, path: Path) -> Matched:
    """Bring answers to their questions."""
    found: list[str | None] = [None] * len(questions)
    duplicates: list[str] = []
    unknown: list[str] = []
    finder = Finder(questions, benchmark.answer_id)
    if answers and all(answer.id is None for answer in answers):
        _check_order(questions, answers, path)
    for place, answer in enumerate(answers):
        index = place if answer.id is None else finder.find(answer.id, answer.prompt, answer.category)
        if index is None:
            unknown.append(str(answer.id))
            continue
        if found[index] is not None:
            duplicates.append(questions[index].id)
        found[index] = answer.text
    if len(unknown) == len(answers):
        raise VocoError(
            f"{path}: record 1: its id {shown(answers[0].id)}, like all others, is of no question; expected ids "
            f"such as {shown(questions[0].id)}: are these answers to {benchmark.title}, and to these questions?"
        )
    missing = [q.id for q, text in zip(questions, found, strict=True) if text is None and q.counts]
    return Matched(found, missing, duplicates, unknown)


def _check_order(questions: Sequence[Question], answers: Sequence[Answer], path: Path) -> None:
    if len(questions) != len(answers):
        raise VocoError(
            f"{path}: {len(answers)} answers without ids, so they are paired with questions by order; "
            f"expected {len(questions)}"
        )
    for place, (question, answer) in enumerate(zip(questions, answers, strict=True), start=1):
        if answer.prompt and question.text.casefold() not in answer.prompt.casefold():
            raise VocoError(
                f"{path}: record {place}: its question is {shown(answer.prompt)}; expected {shown(question.text)}"
            )
