"""A linear probe: what a ridge regression reads out of features that it was not trained on.

Every question is answered by scores that are linear in the picture's features, with weights that depend on the
question's words; a probe that knows the words alone stands beside it. Whole pictures are held out in turn, and the
ridge is chosen within the others by leaving one out, so the accuracy is that of pictures never seen.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voco_model.evaluation.items import Shares
from voco_model.evaluation.statistics import Interval, interval

FOLDS = 5
RIDGES = tuple(10.0**k for k in range(-4, 3))
"""In parts of the kernel's mean diagonal."""
CLASSES = 40
"""The most frequent answers, which are all that a probe can give."""

AT_ONCE = 1 << 16
"""Features that are standardised at a time."""


@dataclass(frozen=True)
class Probed:
    """What can be read, in percent of held-out questions."""

    accuracy: Interval
    words: float
    """The same probe without the features."""
    majority: float
    """Always the most frequent answer."""
    questions: int
    pictures: int


def gram(features: np.ndarray) -> np.ndarray:
    """(n, n) inner products of standardised features; one row's with itself is 1 on average."""
    total, told = np.zeros((len(features), len(features))), 0
    for start in range(0, features.shape[1], AT_ONCE):
        part = features[:, start : start + AT_ONCE].astype(np.float64)
        part -= part.mean(0)
        spread = part.std(0)
        part = part[:, spread > 0] / spread[spread > 0]
        total += part @ part.T
        told += part.shape[1]
    return total / max(1, told)


def word_gram(texts: Sequence[str]) -> np.ndarray:
    """(n, n) cosines of the texts as sets of words."""
    sets = [frozenset(text.lower().replace("?", " ").split()) for text in texts]
    names = {word: k for k, word in enumerate(sorted(set().union(*sets)))}
    found = np.zeros((len(sets), max(1, len(names))))
    for row, words in zip(found, sets, strict=True):
        row[[names[word] for word in words]] = 1 / np.sqrt(max(1, len(words)))
    return found @ found.T


def probe(
    pictures: np.ndarray, texts: Sequence[str], answers: Sequence[str], groups: Sequence[str], seed: int = 0
) -> Probed:
    """What the features tell of the answers. pictures: (n, n), `gram` of each question's picture."""
    words = word_gram(texts)
    folds = folds_of(groups, seed)
    seen = held_out(words * (1 + pictures), answers, folds)
    blind = held_out(words, answers, folds)
    found = interval(Shares(seen[:, None], np.ones((len(seen), 1)), list(groups), 100.0))
    most = Counter(answers).most_common(1)[0][1]
    return Probed(found, 100 * blind.mean(), 100 * most / len(answers), len(answers), len(set(groups)))


def folds_of(groups: Sequence[str], seed: int = 0) -> np.ndarray:
    """Which fold each row is held out in; one picture's rows are in one."""
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    fold = {name: int(place) % FOLDS for name, place in zip(names, order, strict=True)}
    return np.array([fold[group] for group in groups])


def held_out(kernel: np.ndarray, answers: Sequence[str], folds: np.ndarray) -> np.ndarray:
    """1.0 where a ridge that was fitted to the other folds gives the right answer."""
    classes = [answer for answer, _ in Counter(answers).most_common(CLASSES)]
    targets = np.array([[float(answer == one) for one in classes] for answer in answers])
    right = np.zeros(len(answers))
    for fold in np.unique(folds):
        test, train = folds == fold, folds != fold
        if train.any():
            told = ridge(kernel[np.ix_(train, train)], targets[train], kernel[np.ix_(test, train)])
            right[test] = [a == classes[k] for a, k in zip(np.array(answers)[test], told.argmax(1), strict=True)]
    return right


def ridge(kernel: np.ndarray, targets: np.ndarray, across: np.ndarray) -> np.ndarray:
    """What a ridge regression with an intercept, fitted to `targets`, says of the rows of `across`."""
    n = len(kernel)
    column = kernel.mean(0)
    centred = kernel - column - column[:, None] + kernel.mean()
    beside = across - column - across.mean(1, keepdims=True) + kernel.mean()
    values, vectors = np.linalg.eigh(centred)
    values = values.clip(min=0)
    mean = targets.mean(0)
    turned = vectors.T @ (targets - mean)
    scale = float(values.mean()) or 1.0  # where all rows are alike, any ridge gives the mean

    def error(part: float) -> float:
        """Squared error of each row by a fit to all the others."""
        shrunk = values / (values + part * scale)
        left = targets - mean - vectors @ (shrunk[:, None] * turned)
        own = 1 - 1 / n - (vectors**2) @ shrunk
        return float(((left / own.clip(min=1e-9)[:, None]) ** 2).sum())

    best = min(RIDGES, key=error) * scale
    return beside @ (vectors @ (turned / (values + best)[:, None])) + mean
