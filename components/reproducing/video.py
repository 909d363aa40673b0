"""Videos: a few tokens of each frame against one frame alone, and against every frame's average."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from PIL.Image import Image

from components.reproducing.clips import CHANGES, AskedClip, VideoProfile, asked_clips, guessed, make_clips
from components.reproducing.measuring import by_type, right_answers, shares_of
from voco_model.evaluation.items import Shares
from voco_model.evaluation.statistics import compare, interval
from voco_model.evaluation.tables import ACCURACY, Figure, figure
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.batching import Item
from voco_model.processing.processor import VocoProcessor
from voco_model.training.recipe import Data, Objective, Optimiser, Recipe, Saving, Start, Variant
from voco_model.training.run import train

TABLE = "videos: questions about order and change"
TYPES_TABLE = "videos: accuracy by question type"
VARIANTS: tuple[Variant, ...] = ("voco", "avgpool")
FRAMES, ONE_FRAME, POOLED = "VoCo, all frames", "VoCo, one frame", "average pooling, all frames"
CLIPS_AT_ONCE = 8


def compare_videos(
    profile: VideoProfile, pictures: Mapping[Variant, Path], out: Path, seed: int, report: Callable[[str], None]
) -> list[Figure]:
    """Continue from pictures to videos and measure; what is finished in `out` is not done again.

    pictures: for `voco` and `avgpool`, the model that instruct left.
    """
    data = make_clips(profile, out / "data", seed)
    models = {
        variant: _continued(profile, variant, pictures[variant], data, out, seed, report) for variant in VARIANTS
    }
    tests = list(asked_clips(profile, "test", profile.test_clips, seed))
    with tempfile.TemporaryDirectory() as folder:
        frames = [each.frames(profile.n_frames, Path(folder)) for each in tests]
        middles = [each.frames(1, Path(folder)) for each in tests]
    results = {
        FRAMES: (profile.n_voco, measure_clips(models["voco"], tests, frames)),
        ONE_FRAME: (profile.n_voco, measure_clips(models["voco"], tests, middles)),
        POOLED: (1, measure_clips(models["avgpool"], tests, frames)),
    }
    for row, (n, shares) in results.items():
        report(f"{row}, N={n}: {interval(shares).value:.1f} %")
    return [*_figures(results, _types(tests)), *_world(guessed(profile, tests, seed))]


def _continued(
    profile: VideoProfile,
    variant: Variant,
    start: Path,
    data: Path,
    out: Path,
    seed: int,
    report: Callable[[str], None],
) -> Path:
    """The variant's model after the stage `continue_video`."""
    length = profile.length
    recipe = Recipe(
        stage="continue_video",
        variant=variant,
        out=out / f"video-{variant}",
        seed=seed,
        steps=length.steps,
        start=Start(checkpoint=start, n_voco=profile.n_voco if variant == "voco" else 1),
        data=Data(
            folders=(data,),
            batch_size=profile.clips_per_step,
            questions_per_image=profile.questions_per_clip,
            n_frames=profile.n_frames,
            workers=0,
        ),
        optimiser=Optimiser(lr=length.lr, warmup=0.05),
        objective=Objective(frames_at_once=profile.frames_at_once),
        saving=Saving(report_every=50),
    )
    result = train(
        recipe,
        report=lambda now: report(f"video-{variant:<10} {now['step']}/{length.steps}  loss {now['loss']:.3f}"),
    )
    return result.model


@torch.no_grad()
def measure_clips(folder: Path, tests: Sequence[AskedClip], frames: Sequence[list[Image]]) -> Shares:
    """Mean accuracy over the question types, in percent, where each clip is shown by these frames."""
    model = VocoForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = VocoProcessor.from_pretrained(folder)
    shown = [(pair, cast(Item, seen)) for each, seen in zip(tests, frames, strict=True) for pair in each.pairs]
    at_once = CLIPS_AT_ONCE * len(CHANGES)
    right: list[bool] = []
    for start in range(0, len(shown), at_once):
        right += right_answers(model, processor, shown[start : start + at_once], "rule")
    names = [each.clip.name for each in tests for _ in each.pairs]
    return shares_of([pair.type for pair, _ in shown], names, right, _types(tests))


def _types(tests: Sequence[AskedClip]) -> list[str]:
    occurring = {pair.type for each in tests for pair in each.pairs}
    return [kind for kind in CHANGES if kind in occurring]


def _figures(results: Mapping[str, tuple[int, Shares]], types: Sequence[str]) -> list[Figure]:
    """Every row's accuracy, by type too, and how far all frames' tokens lie above the others."""
    n, ours = results[FRAMES]
    figures = [figure(TABLE, row, k, ACCURACY, interval(shares)) for row, (k, shares) in results.items()]
    for row in (ONE_FRAME, POOLED):
        gap = compare(ours, results[row][1]).difference
        figures.append(figure(TABLE, f"{FRAMES}, less {row}", n, "points", gap))
    for row, (k, shares) in results.items():
        figures += [figure(TYPES_TABLE, row, k, kind, found) for kind, found in by_type(shares, types).items()]
    return figures


def _world(scores: Mapping[str, tuple[float, float]]) -> list[Figure]:
    guess, chance = (sum(column) / len(scores) for column in zip(*scores.values(), strict=True))
    return [
        Figure(TABLE, "guessing from the text", None, ACCURACY, guess),
        Figure(TABLE, "chance", None, ACCURACY, chance),
    ]
