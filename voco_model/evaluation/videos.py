"""Open questions about clips: the benchmarks differ in their files, the judging is the same."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from voco_model.evaluation.benchmark import Answers, Benchmark
from voco_model.evaluation.files import Record
from voco_model.evaluation.items import Figures, Item, Shares, mean, shares_of
from voco_model.evaluation.judging import MALFORMED, Case, Judge, default_judge
from voco_model.evaluation.questions import WORD, Question


class VideoBenchmark(Benchmark):
    """Every figure that a judge gave carries the judge's name before it."""

    scale = 1.0
    headline_scale = 100.0
    id_fields = ("question_id", "qid", "id", "video_name")
    answer_fields = ("text", "pred", "prediction", "answer")

    def __init__(self, judge: Judge | None = None) -> None:
        self._judge = judge

    def judged_by(self, judge: Judge) -> "VideoBenchmark":
        """The same benchmark with this judge."""
        return type(self)(judge)

    @property
    def judge(self) -> Judge:
        """The one that was given, or else what the environment names."""
        return self._judge if self._judge is not None else default_judge()

    @property
    def headline(self) -> str:  # type: ignore[override]
        return f"{self.judge.name}/accuracy"

    def score(self, question: Question, read: str) -> float:
        """Judges are asked about all answers at once: score_all does that."""
        raise NotImplementedError

    def score_all(self, questions: Sequence[Question], answers: Answers) -> list[Item]:
        pairs = list(zip(questions, answers, strict=True))
        given = [Case(q.text, str(q.truth), answer) for q, answer in pairs if answer is not None]
        verdicts = iter(self.judge.judge(given))
        items = []
        for question, answer in pairs:
            verdict = None if answer is None else next(verdicts)
            right = (verdict or MALFORMED).right
            items.append(Item(question, answer, answer or "", float(right is True), verdict))
        return items

    def figures(self, items: Sequence[Item]) -> Figures:
        """A missing answer, and one that the judge had no usable reply for, is a no with score 0."""
        verdicts = [item.detail or MALFORMED for item in items]
        yes, no = (sum(v.right is told for v in verdicts) for told in (True, False))
        malformed = sum(item.detail is None and item.answer is not None for item in items)
        told = {
            "accuracy": yes / (yes + no) if yes + no else 0.0,
            "score": mean([v.score for v in verdicts]),
            "yes": float(yes),
            "no": float(no),
            "malformed": float(malformed),
        }
        return {f"{self.judge.name}/{name}": value for name, value in told.items()} | super().figures(items)

    def sets(self, items: Sequence[Item]) -> Mapping[str, Sequence[Item]]:
        return {}  # what is scored without the judge

    def measured(self, items: Sequence[Item]) -> dict[str, Shares]:
        return {
            f"{self.judge.name}/accuracy": replace(self.shares(items), scale=1.0),
            f"{self.judge.name}/score": self.parts(items)["score"],
            **super().measured(items),
        }

    def shares(self, items: Sequence[Item]) -> Shares:
        """Of what the judge said yes or no to."""
        said = np.array([[float((item.detail or MALFORMED).right is not None)] for item in items])
        return replace(shares_of(items), denominators=said)

    def parts(self, items: Sequence[Item]) -> dict[str, Shares]:
        """The judge's mean score from 0 to 5."""
        return {"score": shares_of([replace(i, score=float((i.detail or MALFORMED).score)) for i in items], 1.0)}

    def remarks(self) -> list[str]:
        return [self.judge.about]

    def official_answers(self, questions: Sequence[Question], answers: Answers) -> Any:
        """As Video-ChatGPT's scripts take them."""
        pairs = zip(questions, answers, strict=True)
        return [
            {"id": q.written_id, "video_name": q.media, "question": q.text, "answer": q.truth, "pred": a or ""}
            for q, a in pairs
        ]


def clip_question(record: Record, number: int | str, text: str, media: str, group: str, **more: Any) -> Question:
    """One question about a clip."""
    answer = record.fields.get("answer")
    return Question(
        id=str(number),
        text=text,
        prompt=f"{text}\n{WORD}",
        truth=None if answer is None else str(answer),
        media=media,
        video=True,
        group=group,
        written_id=number,
        **more,
    )
