"""POPE: is there such a thing in the image? Precision and recall of yes, over three splits."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from voco_model.errors import VocoError
from voco_model.evaluation.benchmark import Answers, Benchmark
from voco_model.evaluation.files import Record, as_records, read_json
from voco_model.evaluation.items import Figures, Item, Shares, mean
from voco_model.evaluation.questions import WORD, Question
from voco_model.files import whole_file

SPLITS = ("random", "popular", "adversarial")
NO_WORDS = {"No", "not", "no"}
Counted = Callable[[str, str], float]
"""What an answer, as it was read, and the truth add to a figure's numerator or denominator."""
PARTS: dict[str, tuple[Counted, Counted]] = {
    "accuracy": (lambda read, truth: read == truth, lambda read, truth: 1),
    "precision": (lambda read, truth: read == truth == "yes", lambda read, truth: read == "yes"),
    "recall": (lambda read, truth: read == truth == "yes", lambda read, truth: truth == "yes"),
    # 2 TP / (2 TP + FP + FN)
    "f1": (lambda r, truth: 2 * (r == truth == "yes"), lambda r, truth: (r == "yes") + (truth == "yes")),
    "yes_ratio": (lambda read, truth: read == "yes", lambda read, truth: 1),
}
"""Figures as ratios of counts; the headline is the mean of each split's F1."""


class Pope(Benchmark):
    title = "POPE"
    headline = "f1"
    headline_scale = 100.0
    answers_name = "results"
    files = tuple(f"coco_pope_{split}*.json" for split in SPLITS)
    asked_files = ("llava_pope*.jsonl",)
    media_folders: ClassVar[tuple[str, ...]] = ("val2014", "images", "")
    id_fields = ("question_id",)
    answer_fields = ("text", "answer")
    by_order = True

    def load(self, source: Path, truth: Path | None = None) -> list[Question]:
        if source.is_dir() and (paths := _split_files(source)):
            return [question for path in paths for question in self.official(path, None)]
        path = self.locate(source)
        if not self.is_asked(path):
            return super().load(path)
        if truth is None and not _split_files(path.parent):
            return [self._line(line) for line in as_records(read_json(path), path)]
        return self._paired(path, truth or path.parent)

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        split = next((name for name in SPLITS if name in path.stem), "")
        return [_question(one, split) for one in as_records(read_json(path), path)]

    def _paired(self, path: Path, truth: Path) -> list[Question]:
        """The k-th line of a category is about the k-th label of its split, whatever their ids are."""
        known: dict[str, list[Question]] = {}
        for file in [truth] if truth.is_file() else _split_files(truth):
            questions = self.official(file, None)
            known[questions[0].category if questions else ""] = questions
        out, taken = [], dict.fromkeys(known, 0)
        for line in as_records(read_json(path), path):
            asked = self._line(line)
            place = taken.get(asked.category)
            if place is None:
                continue
            if place >= len(known[asked.category]) or known[asked.category][place].text not in asked.prompt:
                line.fail(
                    f"line {place + 1} of category `{asked.category}` is not that line's question in {truth}: "
                    "questions and labels are paired by order; give the labels of the same version"
                )
            taken[asked.category] += 1
            label = known[asked.category][place]
            out.append(replace(label, id=asked.id, prompt=asked.prompt, aliases=(), written_id=asked.written_id))
        for category, count in taken.items():
            if count != len(known[category]):
                raise VocoError(
                    f"{path}: {count} lines of category `{category}`; {truth} has {len(known[category])}"
                )
        return out

    def read(self, question: Question, answer: str) -> str:
        words = answer.split(".")[0].replace(",", "").split(" ")
        return "no" if NO_WORDS.intersection(words) else "yes"

    def score(self, question: Question, read: str) -> float:
        return float(read == question.truth)

    def score_all(self, questions: Sequence[Question], answers: Answers) -> list[Item]:
        """A missing answer is the wrong one."""
        items = super().score_all(questions, answers)
        wrong = {"yes": "no", "no": "yes"}
        return [i if i.answer is not None else replace(i, read=wrong[i.question.truth]) for i in items]

    def answer_table(self, path: Path) -> list[Record]:
        """A folder with a file for each split, as write_answers makes it."""
        files = sorted(path.glob("*.jsonl")) if path.is_dir() else []
        if not files:
            return super().answer_table(path)
        lines = [one for file in files for one in as_records(read_json(file), file)]
        return [Record(one.path, one.number, {**one.fields, "category": one.path.stem}) for one in lines]

    def write_answers(self, questions: Sequence[Question], answers: Answers, out: Path) -> None:
        """A folder with a file of each split, whose lines the official scorer pairs with the labels by order."""
        lines: dict[str, list[str]] = {}
        for question, answer in zip(questions, answers, strict=True):
            told = {"question_id": question.written_id, "question": question.text, "answer": answer or ""}
            lines.setdefault(question.category or "answers", []).append(f"{json.dumps(told)}\n")
        for split, texts in lines.items():
            with whole_file(out / f"{split}.jsonl") as temporary:
                temporary.write_text("".join(texts))

    def figures(self, items: Sequence[Item]) -> Figures:
        out: Figures = {}
        for split in _splits(items):
            part = [i for i in items if i.question.category == split]
            out |= {f"{split}/{name}" if split else name: value for name, value in _split_figures(part).items()}
        splits = [split for split in _splits(items) if split]
        return {**{name: mean([out[f"{s}/{name}"] for s in splits]) for name in PARTS if splits}, **out}

    def measured(self, items: Sequence[Item]) -> dict[str, Shares]:
        named = [split for split in _splits(items) if split]
        own = {f"{split}/{name}": _ratios(items, [split], *of) for split in named for name, of in PARTS.items()}
        return {name: _ratios(items, named or _splits(items), *of) for name, of in PARTS.items()} | own

    def shares(self, items: Sequence[Item]) -> Shares:
        return replace(_ratios(items, _splits(items), *PARTS[self.headline]), scale=100.0 / len(_splits(items)))


def _ratios(items: Sequence[Item], splits: Sequence[str], tops: Counted, bottoms: Counted) -> Shares:
    """The mean over splits, each a column, of what is counted on top over what is counted below."""
    own = np.array([[i.question.category == split for split in splits] for i in items], dtype=float)
    pairs = [(i.read, i.question.truth) for i in items]
    top, bottom = (np.array([[float(count(*pair))] for pair in pairs]) for count in (tops, bottoms))
    return Shares(own * top, own * bottom, [i.question.group for i in items], 1 / len(splits))


def _split_files(folder: Path) -> list[Path]:
    """Of a split's file there may be several versions; the first by name is read unless one is named."""
    folders = (folder, folder / "coco")
    fitting = (sorted(f.glob(f"coco_pope_{split}*.json")) for split in SPLITS for f in folders)
    return [paths[0] for paths in fitting if paths]


def _splits(items: Sequence[Item]) -> list[str]:
    return list(dict.fromkeys(i.question.category for i in items))


def _question(record: Record, split: str) -> Question:
    number, image, text = record.need("question_id", str, int), record.text("image"), record.text("text")
    label = record.text("label")
    if label not in ("yes", "no"):
        record.fail(f"field `label`: expected yes or no, found {label!r}")
    return Question(
        id=f"{split}/{number}",
        text=text,
        prompt=f"{text}\n{WORD}",
        truth=label,
        media=image,
        group=image,
        kind=split,
        category=split,
        aliases=(str(number),),
        written_id=number,
    )


def _split_figures(items: Sequence[Item]) -> Figures:
    """What the official scorer prints of one split; where it would divide by zero, 0."""
    pairs = [(i.read, i.question.truth) for i in items]
    tp, fp = pairs.count(("yes", "yes")), pairs.count(("yes", "no"))
    tn, fn = pairs.count(("no", "no")), pairs.count(("no", "yes"))
    precision, recall = _ratio(tp, tp + fp), _ratio(tp, tp + fn)
    return {
        "accuracy": _ratio(tp + tn, len(items)),
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * precision * recall, precision + recall),
        "yes_ratio": _ratio(tp + fp, len(items)),
        "tp": float(tp),
        "fp": float(fp),
        "tn": float(tn),
        "fn": float(fn),
        "questions": float(len(items)),
    }


def _ratio(a: float, b: float) -> float:
    return a / b if b else 0.0


BENCHMARK = Pope()
