"""Who says whether an open answer about a clip is right: a model behind an endpoint, or else rules."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to be judged."""

    question: str
    answer: str
    """The right one."""
    prediction: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of one answer."""

    right: bool | None
    """None where it said neither yes nor no."""
    score: int
    """0 to 5."""


MALFORMED = Verdict(right=False, score=0)
"""For a judge that never gave a usable reply: counted as wrong, and as malformed."""


class Judge(Protocol):
    """Judges all answers of a benchmark at once."""

    name: str
    """Stands before every figure that this judge gave."""

    @property
    def about(self) -> str:
        """For a remark beside the figures."""

    def judge(self, cases: Sequence[Case]) -> list[Verdict | None]:
        """A verdict for each case; None where no usable reply was to be had."""


def default_judge() -> Judge:
    """The endpoint that the environment names, or the offline judge."""
    from voco_model.evaluation.judging.offline import OfflineJudge
    from voco_model.evaluation.judging.remote import URL, RemoteJudge

    return RemoteJudge.from_environment() if os.environ.get(URL) else OfflineJudge()
