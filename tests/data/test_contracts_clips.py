"""Clips that look alike, and those of a benchmark, are found in a data set that was really ingested."""

import csv
import shutil
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import pyarrow.parquet as pq
import pytest

from components.ingest import IngestConfig, ingest
from components.validate import ValidateConfig, ValidationOutcome, validate
from data.world.drawing import write_mp4
from data.world.scenes import make_clip
from voco_model.video import sample_frames

PAGE = "000001_000050"
COPIES = {"faster": (24, 128, "mpeg4"), "larger": (8, 256, "libx264"), "vp9": (16, 128, "libvpx-vp9")}
"""Frames a second, pixels of a side and codec of a copy that shows the same."""
LOOSE = {"near_distance": 8}
"""The world's clips are small and flat: a copy's hash moves farther than a photograph's, another's by 14."""


def copied(path: Path, out: Path, fps: int, side: int, codec: str) -> Path:
    """The same clip, encoded anew."""
    with av.open(str(out), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
        stream.bit_rate = 600_000
        for frame in sample_frames(path, fps=fps):
            container.mux(stream.encode(av.VideoFrame.from_image(frame.image.resize((side, side)))))
        container.mux(stream.encode())
    return out


@dataclass
class WebVid:
    """A source in WebVid's files, to which a test adds clips."""

    root: Path
    rows: list[dict[str, object]] = field(default_factory=list)

    def place(self, name: str) -> Path:
        """Where a further clip belongs."""
        folder = self.root / "videos" / PAGE
        folder.mkdir(parents=True, exist_ok=True)
        self.rows.append({"videoid": name, "name": f"A scene that is called {name}", "page_dir": PAGE})
        return folder / f"{name}.mp4"

    def validated(self, out: Path, *benchmarks: Path) -> ValidationOutcome:
        """What the contract says of the source, ingested."""
        with (self.root / "results.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, self.rows[0])
            writer.writeheader()
            writer.writerows(self.rows)
        ingest(IngestConfig("clips", "webvid", str(self.root), "results.csv", out / "set", media="videos"))
        checked = out / "checked"
        return validate(ValidateConfig(out / "set", "webvid", checked, benchmarks=benchmarks, thresholds=LOOSE))


@pytest.fixture
def source(tmp_path):
    """A few clips that have nothing to do with each other."""
    made = WebVid(tmp_path / "source")
    for number in range(8):
        write_mp4(make_clip(3, "train", number, 2), made.place(f"clip{number}"))
    return made


def reasons(outcome: ValidationOutcome) -> list[tuple[str, str, str]]:
    return [(row["id"], row["code"], row["reason"]) for row in pq.read_table(outcome.quarantine).to_pylist()]


def test_different_clips_resemble_neither_each_other_nor_a_benchmark(source, root, tmp_path):
    outcome = source.validated(tmp_path, root / "images.parquet")
    assert outcome.passed
    assert reasons(outcome) == []
    checked = {one.name: one.applies_to for one in outcome.results}
    assert checked["near_duplicates"] == checked["leak_near"] == checked["leak_digest"] == 8


@pytest.mark.parametrize("how", COPIES)
def test_a_clip_encoded_anew_is_a_near_duplicate(source, tmp_path, how):
    original = tmp_path / "source/videos" / PAGE / "clip6.mp4"
    copied(original, source.place("copy"), *COPIES[how])
    assert reasons(source.validated(tmp_path)) == [
        ("copy", "near_duplicates", "looks like an earlier record: clip6")
    ]


def test_a_benchmarks_clip_is_found_by_its_bytes_and_by_its_looks(source, root, tmp_path):
    exact, alike = sorted((root / "activitynet_qa").rglob("*.mp4"))[:2]
    shutil.copy(exact, source.place("stolen"))
    copied(alike, source.place("shrunk"), *COPIES["larger"])
    outcome = source.validated(tmp_path, root / "images.parquet")
    assert not outcome.passed
    (stolen, digest, its_bytes), (shrunk, near, its_looks) = reasons(outcome)
    assert (stolen, digest, shrunk, near) == ("stolen", "leak_digest", "shrunk", "leak_near")
    assert its_bytes.startswith("is a benchmark's picture or clip: ")
    assert its_bytes.endswith(exact.name)
    assert its_looks.startswith("looks like a benchmark's picture or clip: ")
    assert alike.name in its_looks
