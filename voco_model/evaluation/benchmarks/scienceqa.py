"""ScienceQA: options about a picture or a text; the tables show the questions that have a picture."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from voco_model.data.faults import shown
from voco_model.errors import VocoError
from voco_model.evaluation.benchmark import Answers, Benchmark
from voco_model.evaluation.files import Record, as_object, read_json
from voco_model.evaluation.items import Figures, Item, Shares
from voco_model.evaluation.questions import LETTER, LETTERS, Question, lettered, with_options

OPTIONS = LETTERS[:5]
FAILED = "FAILED"
_TOLD = re.compile(r"The answer is ([A-Z]).")
"""With a character after the letter, whichever it is: so the official scorer has it."""


class ScienceQa(Benchmark):
    title = "ScienceQA"
    headline = "image_accuracy"
    files = ("problems.json", "problems*.json")
    asked_files = ("llava_test*.json",)
    media_folders: ClassVar[tuple[str, ...]] = ("images/test", "images", "test", "")
    answer_fields = ("text", "answer", "prediction")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        path = path if truth is None else self.locate(truth)
        problems = as_object(read_json(path), path)
        asked = _test_part(path, problems)
        return [_question(number, name, problems) for number, name in enumerate(asked, start=1)]

    def load(self, source: Path, truth: Path | None = None) -> list[Question]:
        path = self.locate(source)
        value = read_json(path)
        if not isinstance(value, list):
            return super().load(path, truth)
        return [_from_conversation(number, one, path) for number, one in enumerate(value, start=1)]

    def read(self, question: Question, answer: str) -> str:
        if answer in tuple(OPTIONS):
            return answer
        if len(answer) >= 3 and answer[0] in OPTIONS and answer[1:3] == ". ":
            return answer[0]
        told = _TOLD.findall(answer)
        return told[0] if len(told) == 1 else FAILED

    def score(self, question: Question, read: str) -> float:
        return float(read in question.options and read == question.truth)

    def sets(self, items: Sequence[Item]) -> dict[str, Sequence[Item]]:
        return {"accuracy": items, "image_accuracy": [i for i in items if i.question.media is not None]}

    def figures(self, items: Sequence[Item]) -> Figures:
        right, pictures = sum(i.score for i in items), sum(i.question.media is not None for i in items)
        return {**super().figures(items), "correct": right, "image_questions": float(pictures)}

    def shares(self, items: Sequence[Item]) -> Shares:
        return self.measured(items)[self.headline]

    def answer_list(self, value: Any, path: Path) -> Any:
        """Official results: `outputs`, a text for each problem, or `results`, an option's number for each."""
        if not isinstance(value, dict) or not value.keys() & {"outputs", "results"}:
            return super().answer_list(value, path)
        for name in ("outputs", "results"):
            if isinstance(told := value.get(name), dict):
                return [{"question_id": k, "text": _as_letter(v)} for k, v in told.items()]
        raise VocoError(f"{path}: field `outputs`: expected an object with an answer for each problem")

    def official_answers(self, questions: Sequence[Question], answers: Answers) -> Any:
        told = {q.id: a or "" for q, a in zip(questions, answers, strict=True)}
        read = {q.id: self.read(q, told[q.id]) for q in questions}
        numbers = {q.id: OPTIONS.index(read[q.id]) if read[q.id] in q.options else -1 for q in questions}
        return {"results": numbers, "outputs": told}


def _as_letter(value: Any) -> Any:
    if isinstance(value, int) and 0 <= value < len(OPTIONS):
        return OPTIONS[value]
    return FAILED if value == -1 else value


def _test_part(path: Path, problems: Record) -> list[str]:
    """The problems of the test split, by the file that lists the splits or by what the problems say."""
    splits = path.with_name("pid_splits.json")
    if not splits.is_file():
        return [k for k, v in problems.fields.items() if isinstance(v, dict) and v.get("split", "test") == "test"]
    listed = as_object(read_json(splits), splits, "test").need("test", list)
    if lost := [str(name) for name in listed if str(name) not in problems.fields]:
        raise VocoError(
            f"{path}: no problem {', '.join(lost[:3])}, which {splits} lists as test; give both of one version"
        )
    return [str(name) for name in listed]


def _question(number: int, name: str, problems: Record) -> Question:
    value = problems.fields[name]
    record = Record(problems.path, number, value if isinstance(value, dict) else {})
    text, hint = record.text("question"), str(record.fields.get("hint") or "")
    options = lettered([str(choice) for choice in record.need("choices", list)])
    answer = record.need("answer", int)
    if not 0 <= answer < len(options):
        record.fail(f"field `answer`: expected a number below {len(options)}, found {answer}")
    image = record.fields.get("image")
    asked = with_options(f"Context: {hint}\n{text}" if hint else text, options)
    return Question(
        id=name,
        text=text,
        prompt=f"{asked}\n{LETTER}",
        truth=LETTERS[answer],
        media=f"{name}/{image}" if image else None,
        group=name,
        kind=str(record.fields.get("subject", "")),
        options=options,
        written_id=name,
    )


def _from_conversation(number: int, value: Any, path: Path) -> Question:
    """A problem as LLaVA writes it for training and testing."""
    record = Record(path, number, value if isinstance(value, dict) else {})
    name, turns = record.identity("id"), record.records("conversations")
    if len(turns) != 2:
        record.fail(f"field `conversations`: expected a question and its answer, found {len(turns)} turns")
    asked, answer = turns[0].text("value").replace("<image>", "").strip(), turns[1].text("value")
    found = [line for line in asked.split("\n") if re.match(r"[A-E]\. ", line)]
    options = {line[0]: line[3:] for line in found}
    if answer not in options:
        record.fail(f"field `value`: expected the letter of an option, found {shown(answer)}")
    image = record.fields.get("image")
    return Question(
        id=name,
        text=asked.split("\nA. ")[0].split("\n")[-1],
        prompt=f"{asked}\n{LETTER}",
        truth=answer,
        media=str(image) if image else None,
        group=name,
        options=options,
        written_id=name,
    )


BENCHMARK = ScienceQa()
