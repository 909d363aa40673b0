"""What is linearly readable from VoCo tokens: the answers to a benchmark's questions, by a probe.

The features of a picture are its cache, the keys and values of all layers: all that text can ever read of it. The
probe learns from the benchmark's own questions and is asked about pictures that it has not seen.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from voco_model.cache import VocoCache
from voco_model.errors import VocoError
from voco_model.evaluation.probing import Probed, gram, probe
from voco_model.evaluation.questions import Question, chosen
from voco_model.evaluation.showing import Medium, Shown, medium_of

QUESTIONS, FEWEST = 600, 40
"""At most so many questions are probed, and none where there are fewer than these."""
NUMBERS = 1 << 27
"""Features of all pictures together; of more tokens only the first are probed."""
AT_ONCE = 32
"""Pictures that are compressed together."""
ASKED, SECOND, FACTS = 24, 6, 5
"""A question of its own row is asked of so many pictures, its second answer right for so many; rows at most."""


@dataclass(frozen=True)
class Readable:
    """One row: what was asked, and how much of it a probe reads."""

    what: str
    """A question; empty for all of them together."""
    tokens: int
    """How many VoCo tokens the probe was given."""
    probed: Probed


def readable(shown: Shown, questions: Sequence[Question], n_voco: int) -> list[Readable]:
    """All questions from the first token and from all `n_voco`; and by themselves those that are asked most."""
    known = [question for question in questions if answer_of(question) is not None]
    asked = [question for question in chosen(known, QUESTIONS) if _is_there(shown, question)]
    if len(asked) < FEWEST:
        return []
    answers = [answer_of(question) or "" for question in asked]
    media = list(dict.fromkeys(medium_of(question) for question in asked))
    features = _features(shown, asked, media, n_voco)
    number = {medium: k for k, medium in enumerate(media)}
    of = np.array([number[medium_of(question)] for question in asked])
    rows = []
    for tokens in sorted({1, features.shape[1]}):
        grams = gram(features[:, :tokens].reshape(len(media), -1))[np.ix_(of, of)]
        rows.append(Readable("", tokens, _probed(grams, asked, answers, range(len(asked)))))
    for text, places in _facts(asked, answers):
        rows.append(Readable(text, features.shape[1], _probed(grams, asked, answers, places)))
    return rows


def answer_of(question: Question) -> str | None:
    """The right answer as one text; None where it is none, or not about one picture."""
    if question.video or medium_of(question) is None:
        return None
    truth = question.truth
    if isinstance(truth, str):
        return question.options.get(truth, truth)
    if isinstance(truth, list | tuple) and truth and all(isinstance(said, str) for said in truth):
        return Counter(truth).most_common(1)[0][0]
    return None


def _is_there(shown: Shown, question: Question) -> bool:
    """Whether its picture is; where few questions are asked of a model, the others' may be left out."""
    try:
        return question.media is None or bool(shown.benchmark.media_path(shown.root, question))
    except VocoError:
        return False


def _facts(asked: Sequence[Question], answers: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The questions that are put to many pictures with different answers, the most frequent first."""
    places: dict[str, dict[str, int]] = {}
    for place, question in enumerate(asked):
        places.setdefault(question.text, {}).setdefault(question.group, place)
    most = sorted(((text, list(own.values())) for text, own in places.items()), key=lambda pair: -len(pair[1]))
    counts = {text: Counter(answers[place] for place in own).most_common(2) for text, own in most}
    split = {text for text, most_common in counts.items() if len(most_common) > 1 and most_common[1][1] >= SECOND}
    return [(text, own) for text, own in most if len(own) >= ASKED and text in split][:FACTS]


def _probed(grams: np.ndarray, asked: Sequence[Question], answers: Sequence[str], places: Sequence[int]) -> Probed:
    index = np.array(places)
    own = [asked[place] for place in places]
    texts, groups = [question.text for question in own], [question.group for question in own]
    return probe(grams[np.ix_(index, index)], texts, [answers[place] for place in places], groups)


def _features(shown: Shown, asked: Sequence[Question], media: Sequence[Medium | None], n_voco: int) -> np.ndarray:
    """(pictures, tokens, numbers) keys and values of each picture's first tokens; of tiles, the overview's."""
    by_medium = {medium_of(question): question for question in asked}
    parts = []
    for start in range(0, len(media), AT_ONCE):
        some = [by_medium[medium] for medium in media[start : start + AT_ONCE]]
        shown.only(some)
        for (cache,) in shown.caches(some, n_voco, n_voco):
            assert isinstance(cache, VocoCache)
            both = torch.stack(cache.split()[0].tensors())  # (2, layers, heads, tokens, size)
            each = both.numel() // both.shape[3]
            taken = both[:, :, :, : max(1, NUMBERS // (each * len(media)))]
            parts.append(taken.movedim(3, 0).flatten(1).float().cpu().numpy())
    shown.only([])
    return np.stack(parts)
