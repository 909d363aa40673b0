"""The small world as the benchmarks of the paper, each in its official files."""

import hashlib
import random
from pathlib import Path
from typing import Any

FOLDER = "benchmarks"
IMAGE_LIST = "images.parquet"
IMAGE_ENDINGS = (".jpg", ".png")
BARE_IMAGES = "SEED-Bench-image"
"""In this folder pictures have no ending."""
SCENES_PER_QUESTION = 3
"""Scenes to choose from; with fewer, some answers would be too rare to balance."""
FEWEST_SCENES = 200
QUESTIONS_PER_CLIP = 4


def write_all(out: Path, seed: int, level: int, n_questions: int, n_clips: int) -> dict[str, dict[str, Any]]:
    """Write every benchmark below `out/benchmarks`, about `n_questions` each, and the list of their images.

    Returns for each benchmark how much there is of what, and how often guessing from the text alone is right
    (`text_only`) against chance (`chance`).
    """
    from data.world.benchmarks import gqa, mmbench, mme, pope, reading, refcoco, scienceqa, seed as seed_bench
    from data.world.benchmarks import videos, vqav2
    from data.world.benchmarks.pool import Pool

    pool = Pool(seed, level, max(FEWEST_SCENES, SCENES_PER_QUESTION * n_questions), n_clips)
    writers = {
        "gqa": (gqa.write, n_questions),
        "mmbench": (mmbench.write, n_questions),
        "mme": (mme.write, n_questions),
        "pope": (pope.write, n_questions),
        "seed_bench": (seed_bench.write, n_questions),
        "scienceqa": (scienceqa.write, n_questions),
        "vqav2": (vqav2.write, n_questions),
        "textvqa": (reading.write_textvqa, n_questions),
        "vizwiz": (reading.write_vizwiz, n_questions),
        "refcoco": (refcoco.write, n_questions),
        "msvd_qa": (videos.write_msvd, QUESTIONS_PER_CLIP * n_clips),
        "msrvtt_qa": (videos.write_msrvtt, QUESTIONS_PER_CLIP * n_clips),
        "activitynet_qa": (videos.write_activitynet, QUESTIONS_PER_CLIP * n_clips),
    }
    summary = {
        name: write(out / FOLDER / name, pool, n, random.Random(f"{name} {seed} {level}"))
        for name, (write, n) in writers.items()
    }
    _write_image_list(out, pool)
    return summary


def image_list(out: Path) -> list[tuple[str, str]]:
    """Path below `out` and SHA-256 of every benchmark image, sorted by path."""
    found = []
    for path in sorted((out / FOLDER).rglob("*")):
        if path.is_file() and (path.suffix in IMAGE_ENDINGS or path.parent.name == BARE_IMAGES):
            found.append((path.relative_to(out).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()))
    return found


def _write_image_list(out: Path, pool: "Pool") -> None:
    """Id, digest and perceptual hash of every benchmark image, in the columns of a manifest."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    from voco_model.data.media import difference_hash
    from voco_model.files import whole_file

    listed = image_list(out)
    hashes: dict[str, str] = {}
    for path, digest in listed:
        if digest not in hashes:
            with Image.open(out / path) as image:
                hashes[digest] = difference_hash(image)
