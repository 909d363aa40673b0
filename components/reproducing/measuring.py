"""How often a model is right about scenes that it never saw, by question type."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from components.reproducing.profiles import TYPES
from components.reproducing.scenes import SIDE, Asked
from data.world.drawing import draw
from data.world.speech import Pair
from voco_model.evaluation.items import Shares
from voco_model.evaluation.statistics import LEVEL, Interval, interval
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.batching import Item
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.templates import IMAGE_TAGS

SCENES_AT_ONCE = 16
IGNORED = -100


@torch.no_grad()
def measure(folder: Path, tests: Sequence[Asked], reading: str, n_voco: int | None = None) -> Shares:
    """Mean accuracy over the question types, in percent.

    An answer is right where each of its tokens, the end included, is the likeliest behind the right ones before
    it: that is so exactly where greedy decoding gives this very answer, and it takes one pass.
    """
    model = VocoForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = VocoProcessor.from_pretrained(folder)
    right: list[bool] = []
    for start in range(0, len(tests), SCENES_AT_ONCE):
        shown = []
        for each in tests[start : start + SCENES_AT_ONCE]:
            picture = draw(each.scene, SIDE)
            shown += [(pair, picture) for pair in each.pairs]
        right += right_answers(model, processor, shown, reading, n_voco)
    return as_shares(tests, right)


def right_answers(
    model: VocoForConditionalGeneration,
    processor: VocoProcessor,
    shown: Sequence[tuple[Pair, Item]],
    reading: str,
    n_voco: int | None = None,
) -> list[bool]:
    """Of each question with its picture, or a clip's frames, whether it is answered rightly.

    The same picture object, or list of frames, is compressed once for all its questions.
    """
    conversations = [
        [
            {"from": "human", "value": f"{IMAGE_TAGS[0]}\n{pair.question}"},
            {"from": "gpt", "value": pair.answer},
        ]
        for pair, _ in shown
    ]
    batch = processor(conversations, [[item] for _, item in shown], labels=True, n_voco=n_voco)
    return answered_rightly(model, batch, reading)


@torch.no_grad()
def answered_rightly(model: VocoForConditionalGeneration, batch: Mapping[str, Tensor], reading: str) -> list[bool]:
    """Of each row, whether the model would give the labelled tokens.

    Each must be the likeliest behind the right ones before it. That is so exactly where greedy decoding gives
    them all, the end included; and it takes one pass.
    """
    labelled = batch["labels"] != IGNORED
    likeliest = model(**batch, reading=reading).logits.argmax(-1)
    wrong = torch.zeros(labelled.shape, dtype=torch.bool)
    wrong[labelled] = likeliest != batch["labels"][labelled]
    return (~wrong.any(1)).tolist()


def as_shares(tests: Sequence[Asked], right: Sequence[bool]) -> Shares:
    """The results by type, clustered by scene."""
    types = [pair.type for each in tests for pair in each.pairs]
    scenes = [each.scene.name for each in tests for _ in each.pairs]
    return shares_of(types, scenes, right, types_asked(tests))


def shares_of(types: Sequence[str], names: Sequence[str], right: Sequence[bool], present: Sequence[str]) -> Shares:
    """One column for each type that was asked; every type counts the same in the mean."""
    of_type = np.array([[kind == t for kind in present] for t in types], dtype=float)
    return Shares(of_type * np.array(right, dtype=float)[:, None], of_type, list(names), scale=100 / len(present))


def types_asked(tests: Sequence[Asked]) -> list[str]:
    """The question types that occur, in their order."""
    occurring = {pair.type for each in tests for pair in each.pairs}
    return [kind for kind in TYPES if kind in occurring]


def by_type(shares: Shares, types: Sequence[str]) -> dict[str, Interval]:
    """Accuracy in percent for each of the types that were asked, over the scenes that were asked about it."""
    return {kind: interval(_column(shares, number)) for number, kind in enumerate(types)}


def _column(shares: Shares, number: int) -> Shares:
    asked = shares.denominators[:, number] > 0
    tops, bottoms = (part[asked, number : number + 1] for part in (shares.numerators, shares.denominators))
    return Shares(tops, bottoms, [name for name, own in zip(shares.clusters, asked, strict=True) if own], 100.0)


def pooled(shares: Sequence[Shares]) -> Shares:
    """Several seeds' results as one; scenes of different seeds are different scenes."""
    return Shares(
        np.concatenate([s.numerators for s in shares]),
        np.concatenate([s.denominators for s in shares]),
        [f"{seed}/{name}" for seed, s in enumerate(shares) for name in s.clusters],
        shares[0].scale,
    )


def over_seeds(values: Sequence[float], level: float = LEVEL) -> Interval:
    """The mean over seeds with its t interval; one seed alone says nothing of how far another would be."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, -math.inf, math.inf, level)
    reach = float(stats.t.ppf((1 + level) / 2, len(values) - 1) * stats.sem(values))
    return Interval(mean, mean - reach, mean + reach, level)
