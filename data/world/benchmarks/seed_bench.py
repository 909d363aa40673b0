"""SEED-Bench: questions with four options about images and videos, in one file."""

import random
from pathlib import Path
from typing import Any

from data.world.benchmarks.facts import Fact
from data.world.benchmarks.picking import balanced, choice_score, options
from data.world.benchmarks.pool import Pool, write_bytes, write_json

QUESTION_TYPES = {
    "Scene Understanding": 1,
    "Instance Identity": 2,
    "Instance Attributes": 3,
    "Instance Location": 4,
    "Instances Counting": 5,
    "Spatial Relation": 6,
    "Instance Interaction": 7,
    "Visual Reasoning": 8,
    "Text Understanding": 9,
    "Action Recognition": 10,
    "Action Prediction": 11,
    "Procedure Understanding": 12,
}
IMAGE_KINDS = {
    "background": 1,
    "shape": 2,
    "colour": 3,
    "corner": 4,
    "count": 5,
    "beside": 6,
    "cell": 4,
    "bearer": 8,
    "word": 9,
    "digit": 9,
}
"""Number of the question type; 7 stays empty: nothing in a picture acts upon another."""
VIDEO_KINDS = {"deed": 10, "doer": 10, "after": 12, "sequence": 12, "prediction": 11}
LETTERS = "ABCD"


def write(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    facts = pool.facts(*IMAGE_KINDS) + [corner for f in pool.facts("side") if (corner := _corner(f))]
    moves = pool.clip_facts(*VIDEO_KINDS) + [_prediction(f) for f in pool.clip_facts("after")]
    images = balanced(facts, tuple(IMAGE_KINDS), n, rng)
    videos = balanced(moves, tuple(VIDEO_KINDS), min(n, 4 * len(pool.clips)), rng)
    questions: list[dict[str, Any]] = []
    asked = []
    for i, fact in enumerate([*images, *videos]):
        offered = options(fact, i, len(LETTERS), rng)
        if len(offered) == len(LETTERS):
            questions.append(_question(len(questions), fact, offered, pool))
            asked.append((fact.question, offered, offered.index(fact.answer)))
            data_id = questions[-1]["data_id"]
            if fact.kind in IMAGE_KINDS:
                write_bytes(out / "SEED-Bench-image" / data_id, pool.image(fact.about))
            else:
                write_bytes(out / "SEED-Bench-video" / data_id, pool.video(fact.about))
    write_json(out / "SEED-Bench.json", {"questions": questions, "question_type": QUESTION_TYPES})
    score, chance = choice_score(asked)
    n_videos = sum(q["data_type"] == "video" for q in questions)
    return {"questions": len(questions), "videos": n_videos, "text_only": score, "chance": chance}


def _question(number: int, fact: Fact, offered: list[str], pool: Pool) -> dict[str, Any]:
    image = fact.kind in IMAGE_KINDS
    scene_number = pool.number(fact.about)
    return {
        "answer": LETTERS[offered.index(fact.answer)],
        **{f"choice_{letter.lower()}": text for letter, text in zip(LETTERS, offered, strict=True)},
        "data_id": f"{scene_number:06d}_{fact.about.seed}" if image else f"{scene_number:06d}.mp4",
        "data_type": "image" if image else "video",
        "question": fact.question,
        "question_id": str(100_000 + number) if image else f"v{100_000 + number}",
        "question_type_id": IMAGE_KINDS[fact.kind] if image else VIDEO_KINDS[fact.kind],
        **({"segment": _segment(fact)} if not image and VIDEO_KINDS[fact.kind] > 10 else {}),
    }


def _segment(fact: Fact) -> list[float]:
    """From when to when in the video the question is about, in seconds; a prediction sees what came before."""
    if fact.kind != "prediction":
        return [0.0, fact.about.seconds]
    after = next(e for e in fact.about.events if e.thing == fact.things[1])
    return [0.0, after.time]


def _corner(fact: Fact) -> Fact | None:
    """In which quarter of the picture a thing is, from the two questions of whose it is made."""
    if fact.kind != "side":
        return None
    thing, grid = fact.about.things[fact.things[0]], fact.about.grid
    if 2 * thing.row + 1 == grid:
        return None
    ask = fact.question.replace("Is the ", "Where is the ").split(" on the left")[0] + "?"
    answer = f"{'top' if 2 * thing.row + 1 < grid else 'bottom'} {fact.answer}"
    choices = ("top left", "top right", "bottom left", "bottom right")
    return Fact("corner", ask, answer, choices, fact.about, fact.things)


def _prediction(fact: Fact) -> Fact:
    return Fact("prediction", fact.question, fact.answer, fact.choices, fact.about, fact.things)
