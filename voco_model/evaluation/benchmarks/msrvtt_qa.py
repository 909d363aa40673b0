"""MSRVTT-QA: what happens in web videos, judged; its files are JSON or a table."""

from pathlib import Path
from typing import ClassVar

from voco_model.evaluation.files import Record, as_records, read_json, read_table
from voco_model.evaluation.questions import Question
from voco_model.evaluation.videos import VideoBenchmark, clip_question


class MsrvttQa(VideoBenchmark):
    title = "MSRVTT-QA"
    files = ("test_qa*.json", "test*.csv")
    media_folders: ClassVar[tuple[str, ...]] = ("TestVideo", "videos", "")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        path = path if truth is None else self.locate(truth)
        if path.suffix == ".csv":
            rows = read_table(path, ("video", "question", "answer", "qid"), ",")
            return [_question(one, one.text("qid"), one.text("video")) for one in rows]
        records = as_records(read_json(path), path)
        return [_question(one, one.need("id", int, str), one.identity("video_id")) for one in records]


def _question(record: Record, number: int | str, video: str) -> Question:
    return clip_question(record, number, record.text("question"), f"video{video}.mp4", video)


BENCHMARK = MsrvttQa()
