"""ActivityNet-QA: judged, and by exact answers of each type as its own scorer counts them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from voco_model.evaluation.benchmark import Answers
from voco_model.evaluation.files import as_records, found, read_json
from voco_model.evaluation.items import Item, by_fact
from voco_model.evaluation.questions import Question
from voco_model.evaluation.videos import VideoBenchmark, clip_question

TYPES = ("motion", "spatial", "temporal", "yes_no", "color", "object", "location", "number", "other")
"""By the number in the answer file; those from yes_no on are the free ones."""
FREE = 3
TRUTH = ("test_a*.json", "val_a*.json", "train_a*.json")


class ActivityNetQa(VideoBenchmark):
    title = "ActivityNet-QA"
    files = ("test_q.json", "test_q.*json", "val_q*.json")
    media_folders: ClassVar[tuple[str, ...]] = ("videos", "all_test", "Test_Videos", "")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        place = truth if truth is not None and truth.is_file() else found(truth or path.parent, TRUTH, self.title)
        answers = {one.identity("question_id"): one for one in as_records(read_json(place), place)}
        out = []
        for one in as_records(read_json(path), path):
            number, video = one.identity("question_id"), one.text("video_name")
            if number not in answers:
                one.fail(f"question `{number}` has no answer in {place}; give the answers of the same questions")
            kind = answers[number].need("type", int)
            if not 0 <= kind < len(TYPES):
                answers[number].fail(f"field `type`: expected a number below {len(TYPES)}, found {kind}")
            out.append(
                clip_question(
                    *(answers[number], number, one.text("question"), f"v_{video}.mp4", video),
                    kind=TYPES[kind],
                    facts={"type": kind},
                    aliases=(video, f"v_{video}"),
                )
            )
        return out

    def sets(self, items: Sequence[Item]) -> dict[str, Sequence[Item]]:
        """Answers that are exactly the right one, as its own scorer counts them."""
        exact = [replace(i, score=float(i.answer is not None and i.answer == i.question.truth)) for i in items]
        kinds = by_fact(exact, "type")
        own: dict[str, Sequence[Item]] = {f"exact/{TYPES[kind]}": kinds[kind] for kind in sorted(kinds)}
        own["exact/free"] = [item for kind in sorted(kinds) if kind >= FREE for item in kinds[kind]]
        return {**own, "exact/all": exact}

    def official_answers(self, questions: Sequence[Question], answers: Answers) -> Any:
        """As its own scorer takes them."""
        return [{"question_id": q.id, "answer": a or ""} for q, a in zip(questions, answers, strict=True)]


BENCHMARK = ActivityNetQa()
