"""What ten people answer to one question: mostly the same, with some disagreement."""

import random

from data.world.benchmarks.facts import Fact

PEOPLE = 10
DISSENT = (0, 0, 0, 1, 1, 2, 3)
"""How many of the ten say something else, equally likely; the right answer always has a clear majority."""
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NUMBER_WORDS = {str(i): word for i, word in enumerate(DIGITS)}


def ten_answers(fact: Fact, rng: random.Random) -> list[str]:
    """Ten answers, at least seven of them the right one; the others are another wording or plain wrong."""
    dissent = rng.choice(DISSENT)
    others = [NUMBER_WORDS.get(fact.answer) or fact.answer]
    others += [c for c in fact.choices if c != fact.answer]
    answers = [fact.answer] * (PEOPLE - dissent) + [rng.choice(others) for _ in range(dissent)]
    rng.shuffle(answers)
    return answers


def confidence(answer: str, fact: Fact, rng: random.Random) -> str:
    """How sure one of them is."""
    return "yes" if answer == fact.answer and rng.random() < 0.9 else rng.choice(("maybe", "no"))
