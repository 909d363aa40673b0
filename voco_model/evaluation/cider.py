"""CIDEr as COCO's caption evaluation computes it under that name: clipped counts and a penalty for other lengths.

An answer's words of one to four in a row are weighed by how rare they are among the objects that are scored
together, and compared by cosine with each of an object's expressions. What the authors' paper calls CIDEr has
neither clipping nor penalty; the evaluation code, and with it all published figures, has both.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

LONGEST = 4
WIDTH = 6.0
"""Standard deviation of the penalty, in pairs of words."""
SCALE = 10.0
Words = Sequence[str]
Gram = tuple[str, ...]


@dataclass(frozen=True)
class _Weighed:
    """A text's grams of each length with their weights."""

    grams: list[dict[Gram, float]]
    norms: list[float]
    pairs: int
    """How many pairs of neighbouring words there are: the length that the penalty compares."""


class Cider:
    """Scores of answers within one set of objects, each with its expressions."""

    def __init__(self, references: Sequence[Sequence[Words]]) -> None:
        self._seen: Counter[Gram] = Counter()
        for texts in references:
            self._seen.update({gram for text in texts for gram in _grams(text)})
        self._log_objects = log(len(references)) if references else 0.0

    def score(self, answer: Words, references: Sequence[Words]) -> float:
        """One answer against the expressions of its object."""
        told = self._weighed(answer)
        total = sum(sum(_likeness(told, self._weighed(text))) for text in references)
        return total / LONGEST / len(references) * SCALE

    def _weighed(self, text: Words) -> _Weighed:
        grams: list[dict[Gram, float]] = [{} for _ in range(LONGEST)]
        for gram, count in _grams(text).items():
            grams[len(gram) - 1][gram] = count * (self._log_objects - log(max(1.0, self._seen[gram])))
        norms = [sqrt(sum(weight * weight for weight in part.values())) for part in grams]
        return _Weighed(grams, norms, max(0, len(text) - 1))


def _grams(text: Words) -> Counter[Gram]:
    return Counter(
        tuple(text[start : start + length])
        for length in range(1, LONGEST + 1)
        for start in range(len(text) - length + 1)
    )


def _likeness(told: _Weighed, text: _Weighed) -> list[float]:
    """For each length of grams, the clipped cosine with the penalty."""
    penalty = exp(-((told.pairs - text.pairs) ** 2) / (2 * WIDTH**2))
    out = []
    for ours, theirs, norm in zip(told.grams, text.grams, map(float.__mul__, told.norms, text.norms), strict=True):
        shared = sum(min(weight, theirs.get(gram, 0.0)) * theirs.get(gram, 0.0) for gram, weight in ours.items())
        out.append(shared / norm * penalty if norm else 0.0)
    return out
