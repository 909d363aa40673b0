"""How far one gets by the text alone: the score of the best guesser that never sees a picture."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from data.world.facts import generator
from data.world.vocabulary import BACKGROUNDS, COLOURS, LABELS, SHAPES, SIZES

SLOTS = {
    "colour": COLOURS,
    "shape": (*SHAPES, *(f"{s}s" for s in SHAPES), "crosses"),
    "size": SIZES,
    "background": BACKGROUNDS,
    "label": LABELS,
}
SLOT_OF = {word: f"<{slot}>" for slot, words in SLOTS.items() for word in words}
WORD = re.compile(r"\d+(?:\.\d+)?|\w+")


def template(question: str) -> str:
    """The question with the world's own words and numbers blanked out."""

    def blank(match: re.Match[str]) -> str:
        word = match.group().lower()
        return "<number>" if word[0].isdigit() else SLOT_OF.get(word, word)

    return WORD.sub(blank, question)


def text_only_score(
    pairs: Iterable[Sequence[str]], train: Iterable[Sequence[str]] | None = None
) -> tuple[float, float]:
    """(score, chance) of (question, answer) pairs, both from 0 to 1.

    score: that of the best of several guessers, each of which answers with what was most frequent in `train`: of
    everything, of the question's template, of the template with one word left in, of the exact question. Without
    `train` one half of the pairs is learned and the other asked, and the other way round.
    chance: one over the number of answers that a question's template has, weighted by how often it is asked.
    """
    asked = [(pair[0], pair[1].lower()) for pair in pairs]
    if len(asked) < 2:
        return 0.0, 0.0
    # Halves at random: questions often come in pairs with opposite answers.
    order = generator("halves", len(asked)).permutation(len(asked))
    one, other = [asked[i] for i in order[::2]], [asked[i] for i in order[1::2]]
    trials = [(one, other), (other, one)]
    if train is not None:
        trials = [([(pair[0], pair[1].lower()) for pair in train], asked)]
    scores = [sum(_right(key, *trial) for trial in trials) / len(asked) for key in GUESSERS]
    answers: dict[str, set[str]] = defaultdict(set)
    for question, answer in asked:
        answers[template(question)].add(answer)
    return max(scores), sum(1 / len(answers[template(question)]) for question, _ in asked) / len(asked)


def _everything(question: str) -> list[str]:
    return [""]


def _template(question: str) -> list[str]:
    return [template(question)]


def _exact(question: str) -> list[str]:
    return [question, template(question)]


def _one_word(question: str) -> list[str]:
    """The template with one word left as it was, for each word; the most telling is used."""
    blanked = template(question)
    words = {w.lower() for w in WORD.findall(question) if w[0].isdigit() or w.lower() in SLOT_OF}
    return [f"{blanked} {word}" for word in sorted(words)] + [blanked]


GUESSERS: tuple[Callable[[str], list[str]], ...] = (_everything, _template, _exact, _one_word)
ENOUGH = 5
"""A key must have been seen this often to be trusted before the next, more general one."""


def _right(keys: Callable[[str], list[str]], learn: list[tuple[str, str]], test: list[tuple[str, str]]) -> int:
    """How many of `test` are guessed by the most frequent answer of `learn` under the same key."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for question, answer in learn:
        for key in keys(question):
            seen[key][answer] += 1
    overall = Counter(answer for _, answer in learn) or Counter([""])
    best = {key: (counter, *counter.most_common(1)[0]) for key, counter in seen.items()}
    right = 0
    for question, answer in test:
        trusted = [best[k] for k in keys(question) if k in best and best[k][0].total() >= ENOUGH]
        sure = max(trusted, key=lambda entry: entry[2] / entry[0].total(), default=None)
        right += answer == (sure[1] if sure else overall.most_common(1)[0][0])
    return right
