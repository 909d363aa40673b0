"""Choosing questions so that their text does not give the answer away, and measuring that it does not."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from data.world.benchmarks.facts import Fact
from data.world.scenes import COLOURS, LABELS, SHAPES, SIZES

SEEN = 5
"""A guesser trusts a question that it has met so often; below, it goes by the template."""
ENOUGH = 0.7
"""Rare answers are kept while the questions that can then be balanced are this share of what is possible."""
SLOTS = {
    **dict.fromkeys(COLOURS, "<colour>"),
    **dict.fromkeys([*SHAPES, *(s + "s" for s in SHAPES), "crosses"], "<shape>"),
    **dict.fromkeys(SIZES, "<size>"),
    **dict.fromkeys(LABELS, "<label>"),
}


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
    answers = [a for a in facts[0].choices if a in commonest[:most]]
    if len(answers) > quota:
        answers = rng.sample(answers, max(2, quota))
    choices = tuple(a for a in facts[0].choices if a in answers)
    each = min(-(-quota // len(answers)), min(many[a] for a in answers))
    left: dict[str, dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))
    for fact in rng.sample(facts, len(facts)):
        if fact.answer in choices:
            left[fact.question][fact.answer].append(fact)
    chosen, fresh, begun = [], [], []
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


def template(question: str) -> str:
    """The question without what differs from scene to scene."""
    return " ".join(SLOTS.get(word, word) for word in re.findall(r"\w+", question.lower()))


def text_only_score(pairs: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """How often guessing from the question alone is right, and chance, of (question, answer) pairs.

    The guess is the answer that the question, else its template, had most often in the other half. Chance is one
    over the number of answers that its template has, or one half.
    """
    keys = [(question.lower(), template(question)) for question, _ in pairs]
    answers: dict[str, set[str]] = defaultdict(set)
    for (_, form), (_, answer) in zip(keys, pairs, strict=True):
        answers[form].add(answer)
    right = 0
    for test in _halves(len(pairs)):
        seen: dict[str, Counter[str]] = defaultdict(Counter)
        for i in set(range(len(pairs))) - test:
            for key in {*keys[i], ""}:
                seen[key][pairs[i][1]] += 1
        for i in test:
            known = next((seen[k] for k in keys[i] if seen[k].total() >= SEEN), seen[""])
            right += bool(known) and max(known, key=lambda a: (known[a], a)) == pairs[i][1]
    chance = sum(1 / max(2, len(answers[form])) for _, form in keys)
    return right / max(1, len(pairs)), chance / max(1, len(pairs))


def choice_score(asked: Sequence[tuple[str, Sequence[str], int]]) -> tuple[float, float]:
    """The same for (question, options, number of the right one): the option that was right most often when offered,
    by its words and by its place."""
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
