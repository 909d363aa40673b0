"""The small world as the benchmarks of the paper, each in its official files."""

import random
from pathlib import Path
from typing import Any

from data.world.benchmarks.images import FOLDER, image_list, write_image_list

__all__ = ["FOLDER", "image_list", "write_all"]

FEWEST_SCENES = 300
"""To choose from; with fewer, some answers would be too rare to balance."""
QUESTIONS_PER_SCENE = 2
QUESTIONS_PER_CLIP = 4


def write_all(out: Path, seed: int, level: int, n_questions: int, n_clips: int) -> dict[str, dict[str, Any]]:
    """Write every benchmark below `out/benchmarks`, about `n_questions` each, and the list of their images.

    Returns for each benchmark how much there is of what, and how often guessing from the text alone is right
    (`text_only`) against chance (`chance`).
    """
    from data.world.benchmarks import (
        gqa,
        mmbench,
        mme,
        pope,
        reading,
        refcoco,
        scienceqa,
        seed_bench,
        videos,
        vqav2,
    )
    from data.world.benchmarks.pool import Pool

    pool = Pool(seed, level, max(FEWEST_SCENES, n_questions // QUESTIONS_PER_SCENE), n_clips)
    about_clips = QUESTIONS_PER_CLIP * n_clips
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
        "msvd_qa": (videos.write_msvd, about_clips),
        "msrvtt_qa": (videos.write_msrvtt, about_clips),
        "activitynet_qa": (videos.write_activitynet, about_clips),
    }
    summary = {}
    for name, (write, n) in writers.items():
        summary[name] = write(out / FOLDER / name, pool, n, random.Random(f"{name} {seed} {level}"))
    write_image_list(out)
    return summary
