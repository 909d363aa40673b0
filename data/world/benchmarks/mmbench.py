"""MMBench: one TSV with the pictures inside; every rotation of a question's options is a row of its own."""

import base64
import csv
import io
import random
from pathlib import Path
from typing import Any

from data.world.benchmarks.facts import Fact
from data.world.benchmarks.picking import balanced, choice_score, options
from data.world.benchmarks.pool import Pool, write_text

LETTERS = "ABCD"
COLUMNS = (
    *("index", "question", "hint", *LETTERS, "answer", "category"),
    *("image", "source", "l2-category", "comment", "split"),
)
ROTATION = 1_000_000
"""Rotation k of question i has the index i + k * ROTATION."""
CATEGORIES = {
    "colour": ("attribute_recognition", "finegrained_perception (instance-level)", 4),
    "count": ("object_localization", "finegrained_perception (instance-level)", 3),
    "side": ("object_localization", "finegrained_perception (instance-level)", 2),
    "label": ("ocr", "finegrained_perception (instance-level)", 4),
    "relation": ("spatial_relationship", "finegrained_perception (cross-instance)", 2),
    "beside": ("spatial_relationship", "finegrained_perception (cross-instance)", 4),
    "same": ("attribute_comparison", "finegrained_perception (cross-instance)", 2),
    "cell": ("object_localization", "finegrained_perception (instance-level)", 4),
    "background": ("image_style", "coarse_perception", 4),
    "shape": ("attribute_recognition", "finegrained_perception (instance-level)", 4),
}
"""Category, the one above it, and the most options of each kind."""
HINTS = (
    "",
    "The picture shows flat shapes.\nSome of them carry a word or a digit.",
    'Every shape has one colour.\nIts size is "small" or "large".',
)


def write(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    chosen = balanced(pool.facts(*CATEGORIES), tuple(CATEGORIES), n, rng)
    asked = [(f, options(f, i, CATEGORIES[f.kind][2], rng)) for i, f in enumerate(chosen)]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, delimiter="\t", lineterminator="\n", restval="")
    table.writeheader()
    rows = [_rotated(i, f, o, k, pool) for k in range(4) for i, (f, o) in enumerate(asked) if k < len(o)]
    table.writerows(rows)
    write_text(out / "mmbench_dev_20230712.tsv", text.getvalue())
    score, chance = choice_score([(f.question, o, o.index(f.answer)) for f, o in asked])
    return {"questions": len(asked), "rows": len(rows), "text_only": score, "chance": chance}


def _rotated(number: int, fact: Fact, offered: list[str], k: int, pool: Pool) -> dict[str, Any]:
    category, above, _ = CATEGORIES[fact.kind]
    shown = offered[k:] + offered[:k]
    return {
        "index": number + k * ROTATION,
        "question": fact.question,
        "hint": HINTS[number % len(HINTS)],
        **dict(zip(LETTERS, shown, strict=False)),
        "answer": LETTERS[shown.index(fact.answer)],
        "category": category,
        "image": base64.b64encode(pool.image(fact.about)).decode(),
        "source": "small world",
        "l2-category": above,
        "split": "dev",
    }
