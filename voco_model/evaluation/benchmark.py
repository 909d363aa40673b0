"""What every benchmark can do: read questions, ask, read answers, score, write answers as its authors take them.

benchmark = by_name("gqa")
questions = benchmark.load(folder)                   # or a file; truth=... where it lies elsewhere
benchmark.media_path(folder, questions[0])           # question.prompt is what to ask about it
result = scored(benchmark, questions, answers)       # answers: one raw text, or None, for each question
result.figures, result.headline, result.items
benchmark.write_answers(questions, answers, out)     # in the form that the official scorer or server takes
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from voco_model.data.paths import MediaRoot
from voco_model.errors import VocoError
from voco_model.evaluation.files import Record, as_records, found, read_json
from voco_model.evaluation.items import Figures, Item, Shares, mean, shares_of
from voco_model.evaluation.matching import Finder
from voco_model.evaluation.questions import Question
from voco_model.files import whole_file

LONGEST = 1 << 20
"""Characters of a first line that is looked into."""
Answers = Sequence[str | None]


class Benchmark(ABC):
    """One benchmark; a module of `benchmarks/` defines one and names it BENCHMARK."""

    title: ClassVar[str]
    headline: ClassVar[str] = "accuracy"
    """The figure that the paper's tables show."""
    scale: ClassVar[float] = 100.0
    """What the official scorer multiplies a mean of scores with."""
    headline_scale: ClassVar[float] = 1.0
    """What the tables multiply it with: 100 where the official scorer prints shares of 1."""
    files: ClassVar[tuple[str, ...]]
    """Patterns of the official question file in a folder, the first that fits is read."""
    asked_files: ClassVar[tuple[str, ...]] = ()
    """Patterns of the LLaVA-style question file."""
    media_folders: ClassVar[tuple[str, ...]] = ("",)
    id_fields: ClassVar[tuple[str, ...]] = ("question_id",)
    answer_fields: ClassVar[tuple[str, ...]] = ("text", "answer", "prediction")
    """Names of an answer file's fields, LLaVA-style and official; the first that is there."""
    answers_as_lines: ClassVar[bool] = False
    """Whether the official answer file is JSON lines."""
    answers_name: ClassVar[str] = "answers.json"
    """What the official answer file is called here; a folder where the official form is one."""
    by_order: ClassVar[bool] = False
    """Whether an answer file without ids is paired with the questions by order."""

    def load(self, source: Path, truth: Path | None = None) -> list[Question]:
        """The questions of a folder or file; `truth` is where the answers lie if not in it or beside it."""
        path = self.locate(source)
        if self.is_asked(path):
            return self.asked(path, truth)
        questions = self.official(path, truth)
        if not questions:
            raise VocoError(f"{path}: no question of {self.title} in it")
        return questions

    @abstractmethod
    def official(self, path: Path, truth: Path | None) -> list[Question]:
        """The questions of the official file."""

    def read(self, question: Question, answer: str) -> str:
        """What the official scorer reads out of an answer."""
        return answer

    @abstractmethod
    def score(self, question: Question, read: str) -> float:
        """What one answer, as it was read, is worth."""

    def score_all(self, questions: Sequence[Question], answers: Answers) -> list[Item]:
        """All answers; a missing one is worth nothing."""
        items = []
        for question, answer in zip(questions, answers, strict=True):
            read = "" if answer is None else self.read(question, answer)
            items.append(Item(question, answer, read, 0.0 if answer is None else self.score(question, read)))
        return items

    def sets(self, items: Sequence[Item]) -> Mapping[str, Sequence[Item]]:
        """Figures that are means of scores: by name, the questions that each is the mean of."""
        return {"accuracy": items}

    def figures(self, items: Sequence[Item]) -> Figures:
        """Every figure that the official scorer prints, on its own scale."""
        return {name: mean([i.score for i in own], self.scale) for name, own in self.sets(items).items()}

    def measured(self, items: Sequence[Item]) -> dict[str, Shares]:
        """Figures as sums of ratios on their own scale, which is what has an interval; a count has none."""
        return {name: shares_of(own, self.scale) for name, own in self.sets(items).items()}

    def shares(self, items: Sequence[Item]) -> Shares:
        """The headline's parts on the tables' scale; the mean of the scores unless a benchmark says otherwise."""
        return shares_of([item for item in items if item.question.counts])

    def parts(self, items: Sequence[Item]) -> dict[str, Shares]:
        return {}  # what else the paper's tables show of this benchmark, such as its splits

    def answer_id(self, written: str) -> str:
        """An answer file's id as the questions have it."""
        return written

    def answer_list(self, value: Any, path: Path) -> Any:
        """The array of answers in an official JSON file."""
        return [value] if isinstance(value, dict) else value

    def answer_table(self, path: Path) -> list[Record]:
        """The answers in a folder or a file that is no JSON, where the official form is one."""
        what = "no such file or folder" if not path.exists() else "not a JSON file"
        raise VocoError(f"{path}: {what}; expected answers to {self.title} as .json or .jsonl")

    def remarks(self) -> list[str]:
        """What a reader of the figures has to know, such as who judged."""
        return []

    def official_answers(self, questions: Sequence[Question], answers: Answers) -> Any:
        """The JSON value that the official scorer reads."""
        fields = self.id_fields[-1], self.answer_fields[-1]
        return [
            dict(zip(fields, (q.written_id, a or ""), strict=True))
            for q, a in zip(questions, answers, strict=True)
        ]

    def write_answers(self, questions: Sequence[Question], answers: Answers, out: Path) -> None:
        """Answers in the form that the official scorer or server takes; missing ones are empty."""
        value = self.official_answers(questions, answers)
        text = "".join(f"{json.dumps(one)}\n" for one in value) if self.answers_as_lines else json.dumps(value)
        with whole_file(out) as temporary:
            temporary.write_text(text)

    def media_path(self, root: Path, question: Question) -> Path:
        """The picture or clip of a question, which lies below the root and is there."""
        if question.media is None:
            raise VocoError(f"{self.title}: question {question.id} names no picture")
        media = MediaRoot(root)
        for folder in self.media_folders:
            path = media.path(f"{folder}/{question.media}" if folder else question.media)
            if path.is_file():
                return path
        places = ", ".join(str(root / folder) for folder in self.media_folders)
        raise VocoError(
            f"{self.title}: question {question.id}: no file `{question.media}`; expected it in {places}"
        )

    def locate(self, source: Path) -> Path:
        """The question file that a folder holds."""
        if source.is_file():
            return source
        if not source.is_dir():
            raise VocoError(f"{source}: no such file or folder; give the official files of {self.title}")
        return found(source, (*self.files, *self.asked_files), self.title)

    def is_asked(self, path: Path) -> bool:
        """Whether a file is LLaVA-style: questions as a model is asked, without the answers."""
        with path.open(encoding="utf-8", errors="replace") as file:
            line = file.readline(LONGEST)
        try:
            first = json.loads(line)
        except (ValueError, RecursionError):
            return False
        return isinstance(first, dict) and {"question_id", "text"} <= first.keys() and "label" not in first

    def asked(self, path: Path, truth: Path | None) -> list[Question]:
        """The questions of a LLaVA-style file, with what the official file knows of them where there is one."""
        lines = as_records(read_json(path), path)
        place = truth if truth is not None else self._beside(path)
        if place is None:
            return [self._line(line) for line in lines]
        finder = Finder(self.official(self.locate(place), truth), self.answer_id)
        return [self._joined(line, finder, place) for line in lines]

    def _beside(self, path: Path) -> Path | None:
        try:
            return found(path.parent, self.files, self.title, other_than=path)
        except VocoError:
            return None

    def _line(self, line: Record) -> Question:
        written, prompt = line.need("question_id", str, int), line.text("text")
        return Question(
            id=str(written),
            text=prompt.split("\n")[0],
            prompt=prompt,
            media=line.text("image") if "image" in line.fields else None,
            group=str(line.fields.get("image", written)),
            category=str(line.fields.get("category", "")),
            written_id=written,
        )

    def _joined(self, line: Record, finder: Finder, place: Path) -> Question:
        asked = self._line(line)
        index = finder.find(asked.id, asked.prompt, asked.category)
        if index is None:
            line.fail(f"question `{asked.id}` is not in {place}; give the official file of the same questions")
        known = finder.questions[index]
        if asked.media and known.media and not known.video and Path(asked.media).stem != Path(known.media).stem:
            line.fail(
                f"question `{asked.id}` is about {asked.media}, but about {known.media} in {place}; give the "
                "official file of the same split"
            )
        return replace(
            known,
            text=known.text or asked.text,
            prompt=asked.prompt,
            media=asked.media or known.media,
            aliases=(*known.aliases, asked.id),
        )
