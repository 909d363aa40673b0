"""Words for things, places and numbers, and the choice among phrasings."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from data.world.facts import Box, Scene, Thing

Rng = np.random.Generator
T = TypeVar("T")


class Pair(NamedTuple):
    """A question, its one right answer, and what kind of question it is."""

    question: str
    answer: str
    type: str


def pick(rng: Rng, options: Sequence[T]) -> T:
    """One of the options, each as likely."""
    return options[int(rng.integers(len(options)))]


def shuffled(rng: Rng, items: Sequence[T]) -> list[T]:
    return [items[i] for i in rng.permutation(len(items))]


def coin(rng: Rng) -> bool:
    return bool(rng.integers(2))


def phrase(rng: Rng, phrasings: Sequence[str], **words: object) -> str:
    """One of the phrasings with its gaps filled."""
    return pick(rng, phrasings).format(**words)


def a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def noun(thing: Thing) -> str:
    """E.g. "red circle"."""
    return f"{thing.colour} {thing.shape}"


def place(row: int, column: int) -> str:
    """E.g. "row 1, column 3": people count from one."""
    return f"row {row + 1}, column {column + 1}"


def full(thing: Thing) -> str:
    """E.g. "a small red circle with the word SUN"."""
    text = a(f"{thing.size} {noun(thing)}")
    return f"{text} with {written(thing.word)}" if thing.word else text


def written(word: str) -> str:
    """E.g. "the word SUN", "the digit 3"."""
    return f"the digit {word}" if word.isdigit() else f"the word {word.upper()}"


def things_called(n: int) -> str:
    return "1 thing" if n == 1 else f"{n} things"


def plural(shape: str) -> str:
    """E.g. "crosses"."""
    return f"{shape}es" if shape.endswith("s") else f"{shape}s"


def in_order(parts: Sequence[str], joint: str = "and") -> str:
    """E.g. "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {joint} {parts[-1]}"


def box_text(box: Box) -> str:
    """As the instruction mix writes boxes."""
    return "[" + ", ".join(f"{edge:.2f}" for edge in box) + "]"


def nameable(scene: Scene) -> list[Thing]:
    """Things whose colour and shape no other thing has: "the red circle" means one of them."""
    numbers = Counter(map(noun, scene.things))
    return [t for t in scene.things if numbers[noun(t)] == 1]


def yes_no(answer: bool) -> str:
    return "yes" if answer else "no"
