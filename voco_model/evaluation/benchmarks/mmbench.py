"""MMBench: options in circular order; a question is right when all its rotations are."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from voco_model.evaluation.benchmark import Answers, Benchmark
from voco_model.evaluation.files import Record, read_table
from voco_model.evaluation.items import Figures, Item, Shares, by_fact, grouped, shares_of
from voco_model.evaluation.questions import LETTER, LETTERS, Question, with_options
from voco_model.evaluation.spreadsheet import read_sheet, write_sheet

ROTATION = 1_000_000
_SIGNS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_NEAR_THE_END = 5
"""The letter has to be among so many last words."""
_TOLD = re.compile(r"answer\s+is\s+\**([A-D])\**", re.IGNORECASE)
_WORDY = 2
"""An answer so many times longer than all options together is not searched for their texts."""
_REFERENCE = 64
"""A shorter picture is the index of the row that has it."""


class MmBench(Benchmark):
    title = "MMBench"
    answers_name = "answers.xlsx"
    files = ("mmbench_dev*.tsv", "mmbench_*.tsv", "*.tsv")
    id_fields = ("question_id", "index")
    answer_fields = ("text", "prediction")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        rows = read_table(path if truth is None else truth, ("index", "question", "A", "B", "image"))
        pictures = {row.text("index"): row.fields.get("image", "") for row in rows}
        return [_question(row, pictures) for row in rows]

    def is_asked(self, path: Path) -> bool:
        return False

    def read(self, question: Question, answer: str) -> str:
        return option_letter(answer, question.options)

    def score(self, question: Question, read: str) -> float:
        return float(read == question.truth)

    def sets(self, items: Sequence[Item]) -> dict[str, Sequence[Item]]:
        """Of questions in all their rotations."""
        whole = _circular(items)
        own: dict[str, Sequence[Item]] = {"accuracy": whole}
        for fact in ("category", "l2-category", "split"):
            kinds = by_fact(whole, fact)
            own |= {f"{fact}/{kind}": kinds[kind] for kind in sorted(kind for kind in kinds if kind is not None)}
        return own

    def figures(self, items: Sequence[Item]) -> Figures:
        return {**super().figures(items), "circular_questions": float(len(_circular(items)))}

    def shares(self, items: Sequence[Item]) -> Shares:
        return shares_of(_circular(items))

    def answer_table(self, path: Path) -> list[Record]:
        """The server's form, a spreadsheet, or the same as a table."""
        ending, needed = path.suffix.lower(), ("index", "prediction")
        if ending == ".xlsx":
            rows = read_sheet(path, needed)
        elif ending in (".tsv", ".csv"):
            rows = read_table(path, needed, "," if ending == ".csv" else "\t")
        else:
            return super().answer_table(path)
        return [row for row in rows if "prediction" in row.fields]  # an empty cell is no answer

    def write_answers(self, questions: Sequence[Question], answers: Answers, out: Path) -> None:
        """The spreadsheet that the server takes."""
        header = ["index", "question", *LETTERS[:4], "prediction", "answer", "split"]
        rows: list[list[Any]] = [
            [
                *(q.written_id, q.text, *(q.options.get(letter) for letter in LETTERS[:4])),
                *(answer or "", q.truth, q.facts["split"]),
            ]
            for q, answer in zip(questions, answers, strict=True)
        ]
        write_sheet(out, [header, *rows])


def option_letter(answer: str, options: dict[str, str]) -> str:
    """The one option that an answer names by letter, or else by text; empty where that is none or several."""
    words = answer.translate(_SIGNS).split()
    named = [letter for letter in options if letter in words]
    if len(named) == 1 and words.index(named[0]) > len(words) - _NEAR_THE_END:
        return named[0]
    if (told := _TOLD.search(answer)) and told[1].upper() in options:
        return told[1].upper()
    if len(answer) > _WORDY * sum(map(len, options.values())):
        return ""
    contained = [letter for letter, text in options.items() if text.lower() in answer.lower()]
    return contained[0] if len(contained) == 1 else ""


def _question(row: Record, pictures: dict[str, str]) -> Question:
    written, text = row.text("index"), row.text("question")
    if not written.isdigit():
        row.fail(f"field `index`: expected a number, found {written!r}")
    options = {letter: row.fields[letter] for letter in LETTERS[:4] if letter in row.fields}
    hint = row.fields.get("hint")
    image = row.fields.get("image", "")
    if len(image) <= _REFERENCE and image in pictures:
        image = pictures[image]
    asked = with_options(f"{hint}\n{text}" if hint else text, options)
    answer = row.fields.get("answer")
    if answer is not None and answer not in options:
        row.fail(f"field `answer`: expected one of {', '.join(options)}, found {answer!r}")
    return Question(
        id=written,
        text=text,
        prompt=f"{asked}\n{LETTER}",
        truth=answer,
        encoded=image,
        group=str(int(written) % ROTATION),
        kind=row.fields.get("category", ""),
        options=options,
        written_id=int(written),
        facts={fact: row.fields.get(fact) for fact in ("category", "l2-category", "split")},
    )


def _circular(items: Sequence[Item]) -> list[Item]:
    """For each question its first rotation, which is right where all of them are."""
    rotations = grouped(items, lambda item: item.question.group).values()
    firsts = [min(group, key=lambda item: int(item.question.id)) for group in rotations]
    right = [float(all(item.score for item in group)) for group in rotations]
    return [replace(first, score=score) for first, score in zip(firsts, right, strict=True)]


BENCHMARK = MmBench()
