"""MSVD-QA: what happens in short clips, judged."""

from pathlib import Path
from typing import ClassVar

from voco_model.errors import VocoError
from voco_model.evaluation.files import as_records, read_json, read_text
from voco_model.evaluation.questions import Question
from voco_model.evaluation.videos import VideoBenchmark, clip_question

MAPPING = "youtube_mapping.txt"
CLIP = ".avi"


class MsvdQa(VideoBenchmark):
    title = "MSVD-QA"
    files = ("test_qa*.json",)
    media_folders: ClassVar[tuple[str, ...]] = ("YouTubeClips", "videos", "")

    def official(self, path: Path, truth: Path | None) -> list[Question]:
        records = as_records(read_json(path if truth is None else self.locate(truth)), path)
        names = _names(path.with_name(MAPPING))
        out = []
        for one in records:
            video = one.identity("video_id")
            if names and video not in names:
                one.fail(f"field `video_id`: clip {video} is not in {MAPPING}, which lies beside it")
            name = names.get(video, f"vid{video}")
            out.append(
                clip_question(one, one.need("id", int, str), one.text("question"), _clip(path, name), video)
            )
        return out


def _clip(path: Path, name: str) -> str:
    """The official clips are .avi; some copies are .mp4."""
    folder = path.parent / MsvdQa.media_folders[0]
    return f"{name}.mp4" if (folder / f"{name}.mp4").is_file() else f"{name}{CLIP}"


def _names(path: Path) -> dict[str, str]:
    """Clips' numbers to the names of their files."""
    if not path.is_file():
        return {}
    out = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        name, _, video = line.strip().partition(" ")
        if not video.startswith("vid"):
            raise VocoError(f"{path}: record {number}: expected `NAME vidNUMBER`, found {line!r:.80}")
        out[video.removeprefix("vid")] = name
    return out


BENCHMARK = MsvdQa()
