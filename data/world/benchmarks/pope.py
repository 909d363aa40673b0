"""POPE: is there such a thing in the image? Three splits that differ in which absent things are asked about."""

import json
import random
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

from data.world.benchmarks.facts import NOUNS
from data.world.benchmarks.picking import open_score
from data.world.benchmarks.pool import Pool, write_bytes, write_text
from data.world.phrases import a
from data.world.scenes import Scene

SPLITS = ("random", "popular", "adversarial")
EACH = 3
"""Present and absent things asked about for an image."""
HALF = 2
"""Popular and adversarial ask about the more frequent or more familiar 1/HALF of the absent things."""


def write(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    frequent = Counter(t for s in pool.scenes for t in _present(s))
    together: Counter[tuple[str, str]] = Counter()
    for scene in pool.scenes:
        together.update(combinations(_present(scene), 2))
    scenes = rng.sample(pool.scenes, min(len(pool.scenes), max(1, n // (2 * EACH))))
    result: dict[str, Any] = {"questions": 0}
    scores = []
    for split in SPLITS:
        lines: list[str] = []
        pairs = []
        balance: Counter[str] = Counter()
        for scene in scenes:
            order = rng.sample(NOUNS, len(NOUNS))
            absent = _absent(scene, split, order, frequent, together)
            for thing, label in _ask(_present(scene), absent, balance, rng):
                text = f"Is there {a(thing)} in the image?"
                number = len(lines) + 1
                line = {"question_id": number, "image": image_name(scene, pool), "text": text, "label": label}
                lines.append(json.dumps(line) + "\n")
                pairs.append((text, label))
        write_text(out / f"coco_pope_{split}.json", "".join(lines))
        result["questions"] += len(pairs)
        scores.append(open_score(pairs))
    for scene in scenes:
        write_bytes(out / "val2014" / image_name(scene, pool), pool.image(scene))
    score, chance = max(scores, key=lambda s: s[0] - s[1])
    return {**result, "text_only": score, "chance": chance}


def image_name(scene: Scene, pool: Pool) -> str:
    return f"COCO_val2014_{pool.number(scene):012d}.jpg"


def _present(scene: Scene) -> list[str]:
    return sorted({f"{t.colour} {t.shape}" for t in scene.things})


def _absent(
    scene: Scene, split: str, order: list[str], frequent: Counter[str], together: Counter[tuple[str, str]]
) -> list[str]:
    """Absent things that the split may ask about; `order` decides among equals."""
    here = _present(scene)
    absent = [thing for thing in order if thing not in here]
    if split == "popular":
        absent.sort(key=lambda thing: -frequent[thing])
    elif split == "adversarial":
        absent.sort(key=lambda thing: -sum(together[min(h, thing), max(h, thing)] for h in here))
    return absent if split == "random" else absent[: len(absent) // HALF]


def _ask(
    present: list[str], absent: list[str], balance: Counter[str], rng: random.Random
) -> list[tuple[str, str]]:
    """Pairs of a present and an absent thing, yes and no in turns; no thing gets one of them much more often.

    `balance` has the yeses less the noes of each thing. Where none is due, an image has fewer questions.
    """
    due = [thing for thing in rng.sample(present, len(present)) if balance[thing] <= 0]
    yes = sorted(due, key=lambda thing: balance[thing])[:EACH]
    no = sorted((t for t in absent if balance[t] >= 0), key=lambda thing: -balance[thing])[: len(yes)]
    pairs = list(zip(yes, no, strict=False))
    balance.update(y for y, _ in pairs)
    balance.subtract(n for _, n in pairs)
    return [told for y, n in pairs for told in ((y, "yes"), (n, "no"))]
