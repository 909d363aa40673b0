"""TextVQA, what is written on things, and VizWiz, where some questions have no answer."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data.world.benchmarks.answers import confidence, ten_answers
from data.world.benchmarks.facts import YES_NO, Fact
from data.world.benchmarks.picking import balanced, open_score
from data.world.benchmarks.pool import Pool, write_bytes, write_json
from data.world.scenes import SHAPES, SIZES, Scene

UNANSWERABLE = "unanswerable"
TEXT_KINDS = ("word", "digit", "bearer")
VIZWIZ_KINDS = ("seen size", "seen colour", "seen word")


def write_textvqa(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    chosen = balanced(pool.facts(*TEXT_KINDS), TEXT_KINDS, n, rng)
    data = [_text_question(fact, i, pool, rng) for i, fact in enumerate(chosen)]
    value = {"dataset_type": "val", "dataset_name": "textvqa", "dataset_version": "0.5.1", "data": data}
    write_json(out / "TextVQA_0.5.1_val.json", value)
    pool.save_images(chosen, lambda f: out / "train_images" / f"{image_id(f.about)}.jpg")
    score, chance = open_score([(f.question, f.answer) for f in chosen])
    return {"questions": len(data), "text_only": score, "chance": chance}


def image_id(scene: Scene) -> str:
    """Sixteen hexadecimal digits, as OpenImages names its pictures."""
    return hashlib.sha256(f"{scene.name} {scene.seed}".encode()).hexdigest()[:16]


def _text_question(fact: Fact, number: int, pool: Pool, rng: random.Random) -> dict[str, Any]:
    width, height = pool.picture(fact.about).size
    question = fact.question.lower()
    return {
        "question": question,
        "image_id": image_id(fact.about),
        "image_classes": sorted({t.shape.capitalize() for t in fact.about.things}),
        "flickr_original_url": "",
        "flickr_300k_url": "",
        "image_width": width,
        "image_height": height,
        "answers": ten_answers(fact, rng),
        "question_tokens": "".join(c for c in question if c.isalnum() or c == " ").split(),
        "question_id": number,
        "set_name": "val",
    }


def write_vizwiz(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    chosen = balanced(_blind_facts(pool.scenes), VIZWIZ_KINDS, n, rng)
    records = [_blind_question(fact, i, rng) for i, fact in enumerate(chosen)]
    write_json(out / "val.json", records)
    for fact, record in zip(chosen, records, strict=True):
        write_bytes(out / "val" / record["image"], pool.image(fact.about))
    score, chance = open_score([(f.question, f.answer) for f in chosen])
    unanswerable = sum(not r["answerable"] for r in records)
    return {"questions": len(records), "unanswerable": unanswerable, "text_only": score, "chance": chance}


def _blind_facts(scenes: Sequence[Scene]) -> Iterable[Fact]:
    """Questions as somebody asks who cannot see whether the thing is there, or has anything written on it."""
    colours = _choices(t.colour for s in scenes for t in s.things)
    words = _choices(t.word for s in scenes for t in s.things if t.word)
    for scene in scenes:
        for shape in SHAPES:
            fitting = [t for t in scene.things if t.shape == shape]
            if len(fitting) > 1:
                continue
            colour = fitting[0].colour if fitting else UNANSWERABLE
            size = fitting[0].size if fitting else UNANSWERABLE
            ask = f"Is this {shape} small or large?"
            yield Fact("seen size", ask, size, (*SIZES, UNANSWERABLE), scene)
            yield Fact("seen colour", f"What colour is this {shape}?", colour, colours, scene)
            word = (fitting[0].word if fitting else None) or UNANSWERABLE
            yield Fact("seen word", f"What does this {shape} say?", word, words, scene)


def _choices(values: Iterable[str]) -> tuple[str, ...]:
    return (*sorted(set(values)), UNANSWERABLE)


def _blind_question(fact: Fact, number: int, rng: random.Random) -> dict[str, Any]:
    given = ten_answers(fact, rng)
    common = Counter(given).most_common(1)[0][0]
    return {
        "image": f"VizWiz_val_{number:08d}.jpg",
        "question": fact.question,
        "answers": [{"answer": a, "answer_confidence": confidence(a, fact, rng)} for a in given],
        "answer_type": _answer_type(common),
        "answerable": int(common != UNANSWERABLE),
    }


def _answer_type(answer: str) -> str:
    if answer == UNANSWERABLE:
        return UNANSWERABLE
    if answer in YES_NO:
        return "yes/no"
    return "number" if answer.isdigit() else "other"
