"""ScienceQA: school questions with a lecture and a solution, with a picture or with a text that says as much."""

import random
from pathlib import Path
from typing import Any

from data.world.benchmarks.facts import Fact
from data.world.benchmarks.picking import balanced, choice_score, options
from data.world.benchmarks.pool import Pool, write_bytes, write_json
from data.world.scenes import Scene

SUBJECTS = {
    "colour": ("natural science", "physics", "Materials", "Identify colours"),
    "shape": ("natural science", "earth-science", "Shapes", "Identify shapes"),
    "count": ("natural science", "units-and-measurement", "Counting", "Count things of a group"),
    "side": ("social science", "geography", "Geography", "Read a map: left and right"),
    "height": ("social science", "geography", "Geography", "Read a map: top and bottom"),
    "word": ("language science", "word-study", "Reading", "Read a label"),
    "bearer": ("language science", "reference-skills", "Reading", "Find what a label belongs to"),
}
"""Subject, topic, category and skill of each kind."""
PICTURE = "A picture shows shapes of several colours. To answer, find the shape that the question names."
MOST = 4
"""Options."""
TEXT_ONLY = 3
"""One problem of this many has its scene told in the hint instead of a picture."""


def write(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    chosen = balanced(pool.facts(*SUBJECTS), tuple(SUBJECTS), n, rng)
    problems, asked = {}, []
    for i, fact in enumerate(chosen):
        offered = options(fact, i // 2, 2 + (i + i // TEXT_ONLY) % (MOST - 1), rng)
        told = i % TEXT_ONLY == TEXT_ONLY - 1
        problems[str(i + 1)] = _problem(fact, offered, told)
        asked.append((fact.question, offered, offered.index(fact.answer)))
        if not told:
            write_bytes(out / "images" / "test" / str(i + 1) / "image.png", pool.image(fact.about, "PNG"))
    write_json(out / "problems.json", problems, indent=1)
    test = list(problems)
    mini = test[: len(test) // 2]
    # The official file lists these parts; all of the world's problems are for testing.
    none: list[str] = []
    parts = {"train": none, "val": none, "test": test, "trainval": none, "minival": none, "minitest": mini}
    write_json(out / "pid_splits.json", parts)
    score, chance = choice_score(asked)
    images = sum(p["image"] is not None for p in problems.values())
    return {"questions": len(problems), "images": images, "text_only": score, "chance": chance}


def _problem(fact: Fact, offered: list[str], told: bool) -> dict[str, Any]:
    subject, topic, category, skill = SUBJECTS[fact.kind]
    return {
        "question": fact.question,
        "choices": offered,
        "answer": offered.index(fact.answer),
        "hint": tell(fact.about) if told else "",
        "image": None if told else "image.png",
        "task": "closed choice",
        "grade": f"grade{1 + fact.about.level}",
        "subject": subject,
        "topic": topic,
        "category": category,
        "skill": skill,
        "lecture": "" if told else PICTURE,
        "solution": f"{tell(fact.about)} So the answer is {fact.answer}.",
        "split": "test",
    }


def tell(scene: Scene) -> str:
    """The whole scene in words."""
    parts = [
        f"a {t.size} {t.colour} {t.shape} in row {t.row + 1}, column {t.column + 1}"
        + (f' with "{t.word}" written on it' if t.word is not None else "")
        for t in scene.things
    ]
    size = f"The picture has {scene.grid} rows, from the top, and {scene.grid} columns, from the left."
    return f"{size} It shows {'; '.join(parts)}."
