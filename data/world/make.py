"""The whole small world in one folder, which appears under its name when everything is written."""

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import PIL

from data.world.facts import check
from data.world.scenes import bits
from data.world.training_files import write_training_files
from voco_model.errors import VocoError

FORMAT = 1
BENCHMARKS = "data.world.benchmarks"


def make_world(
    out: Path | str,
    seed: int,
    images: int = 2000,
    clips: int = 200,
    level: int = 2,
    workers: int | None = None,
    benchmarks: bool = True,
) -> dict[str, Any]:
    """Write the world below `out` and return what its `world.json` says.

    images, clips: how many are drawn for training; each benchmark has a tenth as many, from other scenes.
    workers: processes, by default one for each core; the files are the same with any number.
    """
    out = Path(out)
    check("train", level)
    if images < 1 or clips < 0 or seed < 0:
        raise VocoError(f"{images} images, {clips} clips, seed {seed}: give 1 or more images, and nothing below 0")
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 1:
        raise VocoError(f"{workers} workers; give 1 or more")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise VocoError(f"{out} exists and is not an empty folder; give another --out, or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    try:
        world = _write(temporary, seed, images, clips, level, workers, benchmarks)
        (temporary / "world.json").write_text(json.dumps(world, indent=1) + "\n")
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o777 & ~mask)
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return world


def _write(
    folder: Path, seed: int, images: int, clips: int, level: int, workers: int, benchmarks: bool
) -> dict[str, Any]:
    progress = ProgressLine(images + clips)
    counts = write_training_files(folder / "train", seed, images, clips, level, workers, progress.add)
    asked: dict[str, Any] = {}
    if benchmarks and importlib.util.find_spec(BENCHMARKS):
        progress.say("benchmarks")
        write_all = importlib.import_module(BENCHMARKS).write_all
        n_questions, n_clips = max(20, images // 10), max(10, clips // 10)
        asked = write_all(folder, seed, level=level, n_questions=n_questions, n_clips=n_clips)
    progress.say("digests")
    parts = sorted(path for top in sorted(folder.iterdir()) for path in top.iterdir() if path.is_dir())
    digests = {path.relative_to(folder).as_posix(): tree_digest(path) for path in parts}
    progress.end()
    return {
        "format": FORMAT,
        "seed": seed,
        "level": level,
        "bits": round(bits(level), 2),
        "images": images,
        "clips": clips,
        "records": counts,
        "benchmarks": asked,
        "digests": digests,
        "written_by": {"pillow": PIL.__version__, "av": av.__version__},
    }


def tree_digest(folder: Path) -> str:
    """The SHA-256 of all names and contents below a folder."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return f"sha256:{total.hexdigest()}"


class ProgressLine:
    """One line on stderr that is written over: how much is done, and how long the rest will take."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.start, self.shown = total, 0, time.monotonic(), 0.0

    def add(self, n: int) -> None:
        self.done += n
        now = time.monotonic()
        if now - self.shown < 0.5 and self.done < self.total:
            return
        self.shown = now
        left = (now - self.start) / self.done * (self.total - self.done)
        self.say(f"{self.done:,} of {self.total:,} pictures and clips, {left:.0f} s left")

    def say(self, text: str) -> None:
        if sys.stderr.isatty():
            print(f"\rworld: {text}\033[K", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        self.say(f"made in {time.monotonic() - self.start:.1f} s\n")
