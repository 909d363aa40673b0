"""TextVQA: reading in pictures; ten people's answers, both sides always normalised."""

from pathlib import Path
from typing import ClassVar

from voco_model.evaluation.benchmark import Benchmark
from voco_model.evaluation.benchmarks.vqav2 import ten_answers
from voco_model.evaluation.files import Record, as_object, read_json
from voco_model.evaluation.normalise import eval_ai_normalised, soft_accuracy
from voco_model.evaluation.questions import WORD, Question


class TextVqa(Benchmark):
    title = "TextVQA"
    files = ("TextVQA_*val.json", "TextVQA_*test.json", "TextVQA_*.json")
    asked_files = ("llava_textvqa*.jsonl",)
    media_folders: ClassVar[tuple[str, ...]] = ("train_images", "test_images", "")
    answer_fields = ("text", "pred_answer", "answer")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        path = path if truth is None else self.locate(truth)
        return [_question(one) for one in as_object(read_json(path), path, "data").records("data")]

    def read(self, question: Question, answer: str) -> str:
        return eval_ai_normalised(answer)

    def score(self, question: Question, read: str) -> float:
        return soft_accuracy(read, question.truth)


def _question(record: Record) -> Question:
    number, image, text = record.need("question_id", str, int), record.text("image_id"), record.text("question")
    answers = tuple(map(eval_ai_normalised, ten_answers(record))) if "answers" in record.fields else None
    return Question(
        id=str(number),
        text=text,
        prompt=f"{text}\n{WORD}",
        truth=answers,
        media=f"{image}.jpg",
        group=image,
        # LLaVA's files call a question by its picture; the prompt then tells which one it is.
        aliases=(image,),
        written_id=number,
    )


BENCHMARK = TextVqa()
