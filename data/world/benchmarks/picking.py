"""Choosing questions so that their text does not give the answer away, and measuring that it does not."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from data.world.balance import template, text_only_score
from data.world.benchmarks.facts import Fact

SEEN = 5
"""How many times an option must have been offered before its record outweighs chance."""
ENOUGH = 0.7
"""Rare answers are kept while the questions that can then be balanced are this share of what is possible."""


def balanced(facts: Iterable[Fact], kinds: Sequence[str], n: int, rng: random.Random) -> list[Fact]:
    """About `n` facts, as many of each kind and, in a kind, of each answer, and so for each question's text.

    The answer is chosen first, then a scene that has it. Answers that too few scenes have are dropped, also
    from `choices`, so that whatever is offered is right equally often.
    """
    of_kind: dict[str, list[Fact]] = {kind: [] for kind in kinds}
    for fact in facts:
        if fact.kind in of_kind:
            of_kind[fact.kind].append(fact)
    present = [kind for kind in kinds if len({f.answer for f in of_kind[kind]}) > 1]
    chosen = []
    for i, kind in enumerate(present):
        quota = n // len(present) + (i < n % len(present))
        chosen += _of_one_kind(of_kind[kind], quota, rng)
    rng.shuffle(chosen)
    return chosen


def _of_one_kind(facts: list[Fact], quota: int, rng: random.Random) -> list[Fact]:
    many = Counter(fact.answer for fact in facts)
    commonest = [a for a, _ in many.most_common()]
    reach = {k: min(quota, k * many[commonest[k - 1]]) for k in range(2, len(commonest) + 1)}
    most = max(k for k in reach if reach[k] >= ENOUGH * max(reach.values()))
    choices = tuple(a for a in facts[0].choices if a in commonest[:most])
    each = min(-(-quota // len(choices)), min(many[a] for a in choices))
    left: dict[str, dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))
    for fact in rng.sample(facts, len(facts)):
        if fact.answer in choices:
            left[fact.question][fact.answer].append(fact)
    chosen: list[Fact] = []
    fresh: list[tuple[str, set[str]]] = []
    begun: list[tuple[str, set[str]]] = []
    for answer in [a for _ in range(each) for a in rng.sample(choices, len(choices))][:quota]:
        # A text that has had other answers goes on until it has had them all; then comes one that can have most.
        text = next((t for t in begun if answer in t[1]), None)
        if text is None:
            if not any(answer in t[1] for t in fresh):
                begun = []
                fresh = sorted(((q, {a for a in f if f[a]}) for q, f in left.items()), key=lambda t: -len(t[1]))
            text = next(t for t in fresh if answer in t[1])
            fresh.remove(text)
            begun.append(text)
        text[1].remove(answer)
        if not text[1]:
            begun.remove(text)
        chosen.append(replace(left[text[0]][answer].pop(), choices=choices))
    return chosen


def options(fact: Fact, place: int, n: int, rng: random.Random) -> list[str]:
    """Up to `n` options in random order but for the right one, which stands at `place` (modulo their number)."""
    wrong = [c for c in fact.choices if c != fact.answer]
    out = rng.sample(wrong, min(n - 1, len(wrong)))
    out.insert(place % (len(out) + 1), fact.answer)
    return out


def open_score(pairs: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """What guessing from the text alone scores, and chance, of (question, answer) pairs in any order."""
    return text_only_score(random.Random(0).sample(pairs, len(pairs)))


def choice_score(asked: Sequence[tuple[str, Sequence[str], int]]) -> tuple[float, float]:
    """The same of (question, options, number of the right one).

    The guess is the option that was right most often when it was offered, by its words and by its place.
    """
    forms = [template(question) for question, _, _ in asked]
    right = 0
    for test in _halves(len(asked)):
        offered: Counter[tuple[str, str | int]] = Counter()
        won: Counter[tuple[str, str | int]] = Counter()
        for i in set(range(len(asked))) - test:
            for place, option in enumerate(asked[i][1]):
                for key in ((forms[i], option), ("", place)):
                    offered[key] += 1
                    won[key] += place == asked[i][2]
        for i in test:
            rates = [
                sum((won[k] + 0.25 * SEEN) / (offered[k] + SEEN) for k in ((forms[i], option), ("", place)))
                for place, option in enumerate(asked[i][1])
            ]
            right += rates.index(max(rates)) == asked[i][2]
    chance = sum(1 / len(choices) for _, choices, _ in asked)
    return right / max(1, len(asked)), chance / max(1, len(asked))


def _halves(n: int) -> tuple[set[int], set[int]]:
    order = random.Random(0).sample(range(n), n)
    return set(order[: n // 2]), set(order[n // 2 :])
