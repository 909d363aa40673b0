"""MME: fourteen subtasks of yes/no questions, one of each about every picture.

What the world has no counterpart for is mapped to facts that ask as much of the reader: posters to size,
celebrities to who bears a label, scenes to backgrounds, landmarks to what stands beside a thing, artworks to the
height where they hang; common sense to what would be there, calculation to sums, translation to words spelt
backwards, code to counts. A level without labels has no celebrity, OCR and text_translation.
"""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.world.benchmarks.facts import Fact
from data.world.benchmarks.picking import balanced, open_score
from data.world.benchmarks.pool import Pool, write_bytes, write_text
from data.world.phrases import a

END = " Please answer yes or no."
Ask = Callable[[Fact, str], str]


def _claim(fact: Fact, value: str) -> str:
    return (fact.claim or "").format(value)


def _group(fact: Fact) -> str:
    """What is counted, e.g. "red things"."""
    return fact.question.removeprefix("How many ").removesuffix(" are there?")


def _there(fact: Fact, value: str) -> str:
    return f"Is there {a(value)} in this image?"


def _came(fact: Fact, value: str) -> str:
    return f"If one more of the {_group(fact)} came, would there be {int(value) + 1}?"


def _sum(fact: Fact, value: str) -> str:
    return f"Is the number of {_group(fact)} plus ten equal to {int(value) + 10}?"


def _backwards(fact: Fact, value: str) -> str:
    name = fact.question.removesuffix("?").split(" the ")[-1]
    return f'Spelt backwards, is the word on the {name} "{value[::-1]}"?'


def _code(fact: Fact, value: str) -> str:
    return f'The code counts the {_group(fact)} in the image. Does it print "{value}"?'


SUBTASKS: dict[str, tuple[str, Ask]] = {
    "existence": ("presence", _there),
    "count": ("count", _claim),
    "position": ("side", _claim),
    "color": ("colour", _claim),
    "posters": ("size", _claim),
    "celebrity": ("bearer", _claim),
    "scene": ("background", _claim),
    "landmark": ("beside", _claim),
    "artwork": ("height", _claim),
    "OCR": ("word", _claim),
    "commonsense_reasoning": ("count", _came),
    "numerical_calculation": ("total", _sum),
    "text_translation": ("word", _backwards),
    "code_reasoning": ("count", _code),
}
"""Kind of fact, and how it is asked about; ten of perception, then four of cognition."""
TWO_FOLDERS = ("artwork", "celebrity", "landmark", "posters", "scene")
"""These have `images/` and `questions_answers_YN/`; the others keep both in one folder."""
PNG = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")


def write(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    pairs, counts = [], {}
    for subtask, (kind, ask) in SUBTASKS.items():
        chosen = _one_each(balanced(pool.facts(kind), (kind,), max(1, n // 2 // len(SUBTASKS)), rng))
        surplus: Counter[str] = Counter()
        for fact in chosen:
            yes = ask(fact, fact.answer)
            surplus[yes] += 1
            others = [c for c in rng.sample(fact.choices, len(fact.choices)) if c not in _true(fact)]
            wrong = [ask(fact, other) for other in others]
            no = max(wrong, key=lambda text: surplus[text])
            surplus[no] -= 1
            _save(out / subtask, subtask, fact, (yes, no), pool)
            pairs += [(yes, "Yes"), (no, "No")]
        counts[subtask] = 2 * len(chosen)
    score, chance = open_score(pairs)
    return {"questions": len(pairs), "subtasks": counts, "text_only": score, "chance": chance}


def _true(fact: Fact) -> set[str]:
    """All choices that are right: several things are there, but whatever else is asked has one answer."""
    if fact.kind == "presence":
        return {f"{t.colour} {t.shape}" for t in fact.about.things}
    return {fact.answer}


def _one_each(facts: list[Fact]) -> list[Fact]:
    """One fact for each picture, since a picture has one file of questions."""
    return list({fact.about.name: fact for fact in facts}.values())


def _save(folder: Path, subtask: str, fact: Fact, questions: tuple[str, str], pool: Pool) -> None:
    apart = subtask in TWO_FOLDERS
    stem = f"{pool.number(fact.about):04d}" if subtask in PNG else f"{pool.number(fact.about):012d}"
    form, ending = ("PNG", ".png") if subtask in PNG else ("JPEG", ".jpg")
    image = folder / "images" / (stem + ending) if apart else folder / (stem + ending)
    text = folder / "questions_answers_YN" / f"{stem}.txt" if apart else folder / f"{stem}.txt"
    write_bytes(image, pool.image(fact.about, "PNG" if form == "PNG" else "JPEG"))
    lines = (f"{q}{END}\t{a}\n" for q, a in zip(questions, ("Yes", "No"), strict=True))
    write_text(text, "".join(lines))
