"""MME: two yes/no questions about each picture; accuracy, and accuracy+ where both are right, by subtask."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from voco_model.errors import VocoError
from voco_model.evaluation.benchmark import Answers, Benchmark
from voco_model.evaluation.files import Record, read_text
from voco_model.evaluation.items import Figures, Item, Shares, grouped
from voco_model.evaluation.questions import WORD, Question
from voco_model.files import whole_file

PERCEPTION = (
    *("existence", "count", "position", "color", "posters"),
    *("celebrity", "scene", "landmark", "artwork", "OCR"),
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
TOTALS = {"perception": PERCEPTION, "cognition": COGNITION}
END = "Please answer yes or no."
READ = 4
"""Characters of an answer in which yes or no must stand."""
PICTURES = (".jpg", ".png", ".jpeg")


class Mme(Benchmark):
    title = "MME"
    headline = "perception"
    scale = 1.0
    answers_name = "results"
    files = ("*",)
    asked_files = ("llava_mme*.jsonl",)
    answer_fields = ("text",)

    def locate(self, source: Path) -> Path:
        """MME's official form is a folder."""
        if not source.exists():
            raise VocoError(f"{source}: no such file or folder; give MME's folder, with a folder for each subtask")
        return source

    def is_asked(self, path: Path) -> bool:
        return path.is_file() and path.suffix == ".jsonl" and super().is_asked(path)

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        path = path if truth is None else truth
        return [_question(*row) for row in _official_rows(path)]

    def _beside(self, path: Path) -> Path | None:
        """A folder of subtasks beside a LLaVA-style file."""
        places = (path.parent, path.parent / "MME_Benchmark_release_version")
        return next((p for p in places if any((p / name).is_dir() for name in (*PERCEPTION, *COGNITION))), None)

    def answer_id(self, written: str) -> str:
        """LLaVA calls a question `subtask/images/0001.png`; what counts is the subtask and the name."""
        path = PurePosixPath(written)
        return f"{path.parts[0]}/{path.stem}" if len(path.parts) > 1 else written

    def answer_table(self, path: Path) -> list[Record]:
        """Official results: a file for each subtask, `image, question, Yes|No, answer` in each line."""
        return [
            Record(
                file,
                number,
                {"question_id": f"{file.stem}/{Path(image).stem}", "question": _bare(q), "text": text},
            )
            for file, number, (image, q, _, text) in _rows(_result_files(path), 4)
        ]

    def read(self, question: Question, answer: str) -> str:
        begin = answer.lower()[:READ]
        return next((word for word in ("yes", "no") if word in begin), "other")

    def score(self, question: Question, read: str) -> float:
        return float(read == question.truth)

    def sets(self, items: Sequence[Item]) -> dict[str, Sequence[Item]]:
        """Accuracy over questions, accuracy+ over pictures."""
        own: dict[str, Sequence[Item]] = {}
        for subtask, part in _by_subtask(items).items():
            both = [replace(a, score=float(a.score + b.score == 2)) for a, b in _pairs(part)]
            own |= {f"{subtask}/acc": part, f"{subtask}/acc_plus": both}
        return own

    def figures(self, items: Sequence[Item]) -> Figures:
        own = super().figures(items)
        scores = {name: own[f"{name}/acc"] * 100 + own[f"{name}/acc_plus"] * 100 for name in _by_subtask(items)}
        totals = {total: sum(scores.get(name, 0.0) for name in names) for total, names in TOTALS.items()}
        parts = _by_subtask(items).items()
        other = {f"{name}/other": float(sum(i.read not in ("yes", "no") for i in part)) for name, part in parts}
        return {**totals, **scores, **own, **other}

    def measured(self, items: Sequence[Item]) -> dict[str, Shares]:
        parts = _by_subtask(items)
        totals = {total: [parts[name] for name in names if name in parts] for total, names in TOTALS.items()}
        sums = totals | {name: [part] for name, part in parts.items()}
        return super().measured(items) | {name: _score(own) for name, own in sums.items() if own}

    def shares(self, items: Sequence[Item]) -> Shares:
        return _score([part for name, part in _by_subtask(items).items() if name in PERCEPTION])

    def write_answers(self, questions: Sequence[Question], answers: Answers, out: Path) -> None:
        """A folder with a file for each subtask."""
        lines: dict[str, list[str]] = {}
        for question, answer in zip(questions, answers, strict=True):
            image, text = question.facts["image"], " ".join((answer or "").split())
            truth = (question.truth or "").capitalize()
            lines.setdefault(question.category, []).append(
                f"{image}\t{question.facts['asked']}\t{truth}\t{text}\n"
            )
        for subtask, told in lines.items():
            with whole_file(out / f"{subtask}.txt") as temporary:
                temporary.write_text("".join(told))


def _official_rows(path: Path) -> Iterator[tuple[str, str, str, str, str, Record]]:
    """Subtask, image's path and name, question, answer; from the subtasks' folders, or from files of results."""
    folders = [p for p in sorted(path.iterdir()) if p.is_dir()] if path.is_dir() else []
    files = [(f, sorted(f.glob("questions_answers_YN/*.txt")) or sorted(f.glob("*.txt"))) for f in folders]
    if not any(texts for _, texts in files):
        for file, number, (image, question, truth, *_) in _rows(_result_files(path), 3):
            yield file.stem, f"{file.stem}/{image}", image, question, truth, Record(file, number, {})
        return
    for folder, texts in files:
        apart = (folder / "images").is_dir()
        for file, number, (question, truth) in _rows(texts, 2):
            image = _picture(folder / "images" if apart else folder, file.stem)
            place = f"{folder.name}/images/{image}" if apart else f"{folder.name}/{image}"
            yield folder.name, place, image, question, truth, Record(file, number, {})


def _picture(folder: Path, stem: str) -> str:
    return next(
        (f"{stem}{end}" for end in PICTURES if (folder / f"{stem}{end}").is_file()), f"{stem}{PICTURES[0]}"
    )


def _result_files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(path.glob("*.txt"))
    if not files:
        raise VocoError(f"{path}: expected MME's subtasks as folders, or files <subtask>.txt")
    return files


def _rows(files: Sequence[Path], cells: int) -> Iterator[tuple[Path, int, list[str]]]:
    for file in files:
        lines = [line for line in read_text(file).splitlines() if line.strip()]
        for number, line in enumerate(lines, start=1):
            row = line.split("\t")
            if len(row) < cells or (cells != 3 and len(row) != cells):
                raise VocoError(f"{file}: record {number}: expected {cells} cells between tabs, found {len(row)}")
            yield file, number, row


def _bare(question: str) -> str:
    return question.strip().removesuffix(END).strip()


def _question(subtask: str, place: str, image: str, asked: str, truth: str, record: Record) -> Question:
    truth = truth.strip().lower()
    if truth not in ("yes", "no"):
        record.fail(f"expected Yes or No as the right answer, found {truth!r}")
    text = _bare(asked)
    return Question(
        id=f"{subtask}/{Path(image).stem}/{record.number}",
        text=text,
        prompt=f"{text}\n{WORD}",
        truth=truth,
        media=place,
        group=f"{subtask}/{image}",
        kind=subtask,
        category=subtask,
        aliases=(f"{subtask}/{Path(image).stem}",),
        facts={"image": image, "asked": asked},
        written_id=place,
    )


def _by_subtask(items: Sequence[Item]) -> dict[str, list[Item]]:
    return grouped(items, lambda item: item.question.category)


def _score(parts: Sequence[Sequence[Item]]) -> Shares:
    """A column for each subtask's accuracy and one for its accuracy+, a row for each picture."""
    rows = [(column, a, b) for column, part in enumerate(parts) for a, b in _pairs(part)]
    tops, bottoms = np.zeros((len(rows), 2 * len(parts))), np.zeros((len(rows), 2 * len(parts)))
    for row, (column, a, b) in enumerate(rows):
        tops[row, 2 * column : 2 * column + 2] = a.score + b.score, a.score + b.score == 2
        bottoms[row, 2 * column : 2 * column + 2] = 2, 1
    return Shares(tops, bottoms, [a.question.group for _, a, _ in rows], 100.0)


def _pairs(items: Sequence[Item]) -> list[tuple[Item, Item]]:
    """Each two consecutive questions are about one picture."""
    if len(items) % 2:
        raise VocoError(
            f"MME: subtask {items[0].question.category} has {len(items)} questions; expected two a picture"
        )
    return list(zip(items[::2], items[1::2], strict=True))


BENCHMARK = Mme()
