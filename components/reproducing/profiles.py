"""How large the experiment is, by name: the world's level, the variants, the steps."""

from dataclasses import dataclass
from typing import Literal

from voco_model.errors import VocoError

TYPES = ("colour_at", "shape_at", "exists", "count", "count_all")
"""Questions that are asked: two kinds of look-up, existence, and two kinds of count."""
LOOK_UPS = ("colour_at", "shape_at", "count_all")
"""What is found by its place, and how much there is."""
FINDS = ("colour_of", "shape_of", "row_of")
"""What is said of a thing that is found by its look; only asked in lessons: searches are learned from it."""
SEARCHES = ("exists", "count")
"""Whether there is such a thing, and how many."""


@dataclass(frozen=True)
class Stage:
    """One stage's steps, its highest learning rate, and how that falls."""

    steps: int
    lr: float
    schedule: Literal["cosine", "constant"] = "cosine"


@dataclass(frozen=True)
class Lesson:
    """Some questions about scenes of one level, answered with the vision tokens in sight."""

    name: str
    level: int
    length: Stage
    types: tuple[str, ...] = TYPES


@dataclass(frozen=True)
class Profile:
    """Everything that decides the experiment; all variants get the same data, steps and seed."""

    name: str
    level: int
    """Of the world's scenes."""
    train_scenes: int
    test_scenes: int
    questions: int
    """About each scene, the types in turn; in training, all in one step, so that they share its compression."""
    tokens: tuple[int, ...]
    """Numbers of VoCo tokens that are measured."""
    elastic: bool
    """One model for all numbers of tokens, or one for each; in few steps, one for all gains nothing by more."""
    baselines: bool
    """Whether average pooling and a Q-Former are trained too."""
    options: bool
    """Whether distillation, and elastic against plain training, are measured."""
    seeds: int
    align: Stage
    """The projector, on captions."""
    lessons: tuple[Lesson, ...]
    """One after the other, the whole model: what every variant starts from. All questions about many things at
    once are not learned in many times the steps. Look-ups are, once few things are told apart; with them, what is
    found by its look; and from that, whether it is there and how often."""
    instruct: Stage
    """Each variant."""
    bounds: Stage | None = None
    """The bounds' model, where other than that: it has learned to read all tokens before."""
    fewer: Stage | None = None
    """VoCo with fewer tokens goes on so from VoCo with the most; None: from the common start, as all do."""
    images_per_step: int = 16


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "tiny",
            level=2,
            train_scenes=4000,
            test_scenes=200,
            questions=10,
            tokens=(1, 2, 4, 8),
            elastic=False,
            baselines=False,
            options=False,
            seeds=1,
            align=Stage(50, 4e-4),
            lessons=(
                Lesson("few-things", 1, Stage(150, 2.5e-3, "constant"), LOOK_UPS + FINDS),
                Lesson("finds", 2, Stage(500, 2e-3, "constant"), LOOK_UPS + FINDS),
                Lesson("searches", 1, Stage(300, 2e-3, "constant"), SEARCHES + FINDS),
                Lesson("everything", 2, Stage(600, 2e-3), TYPES + FINDS),
            ),
            instruct=Stage(1300, 1.5e-3),
            bounds=Stage(600, 1.5e-3),
            fewer=Stage(400, 2e-3),
        ),
        Profile(
            "paper",
            level=3,
            train_scenes=12000,
            test_scenes=400,
            questions=10,
            tokens=(1, 2, 4, 8, 16),
            elastic=False,
            baselines=True,
            options=True,
            seeds=3,
            align=Stage(50, 4e-4),
            lessons=(
                Lesson("few-things", 1, Stage(150, 2.5e-3, "constant"), LOOK_UPS + FINDS),
                Lesson("finds", 2, Stage(500, 2e-3, "constant"), LOOK_UPS + FINDS),
                Lesson("searches", 1, Stage(300, 2e-3, "constant"), SEARCHES + FINDS),
                Lesson("everything", 2, Stage(800, 2e-3, "constant"), TYPES + FINDS),
                Lesson("many-things", 3, Stage(1500, 1.5e-3)),
            ),
            instruct=Stage(2000, 1.5e-3),
        ),
    )
}


def profile_named(name: str) -> Profile:
    """The profile of that name."""
    if name not in PROFILES:
        raise VocoError(f"unknown profile '{name}'; there are {', '.join(PROFILES)}")
    return PROFILES[name]
