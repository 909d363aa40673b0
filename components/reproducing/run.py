"""The whole experiment: data, training, measuring, tables."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from components.reproducing.clips import VideoProfile
from components.reproducing.measuring import by_type, measure, over_seeds, pooled, types_asked
from components.reproducing.profiles import Profile
from components.reproducing.scenes import Asked, asked, make_data, text_only
from components.reproducing.variants import Trained, Training, variants
from components.reproducing.video import compare_videos
from data.world.vocabulary import bits
from voco_model.evaluation.items import Shares
from voco_model.evaluation.paper import MEAN_RETENTION
from voco_model.evaluation.statistics import interval, retention
from voco_model.evaluation.tables import ACCURACY, RETENTION, Figure, figure, write
from voco_model.training.recipe import Variant

MAIN = "retention of VoCo tokens"
TYPES_TABLE = "accuracy by question type"
WORLD = "the world"
DIFFERENCES = "differences between variants, over seeds"
UPPER, LOWER = "upper bound", "lower bound"
Results = dict[tuple[str, int], list[Shares]]
"""(row, tokens) to one result for each seed."""


def reproduce(
    profile: Profile,
    base: Path,
    out: Path,
    seed: int,
    report: Callable[[str], None],
    video: VideoProfile | None = None,
) -> list[Figure]:
    """Train and measure everything for `profile.seeds` seeds from `seed` on; writes `out/tables.json`.

    video: the video experiment, which goes on from the first seed's models.
    """
    results: Results = defaultdict(list)
    tests: list[Asked] = []
    seconds = 0.0
    videos: list[Figure] = []
    for own in range(seed, seed + profile.seeds):
        folder = out / f"seed-{own}"
        training = Training(profile, base, make_data(profile, folder / "data", own), folder, own, report)
        tests = list(asked(profile, "test", profile.test_scenes, own))
        start = training.start()
        models: dict[tuple[str, int], Path] = {}
        for one in variants(profile):
            models[one.row, one.n_voco] = training.variant(one, models[one.after] if one.after else start)
            _measure(one, profile, models[one.row, one.n_voco], tests, results)
            report(_summary(one, results))
        seconds += training.seconds
        if video is not None and own == seed:
            videos = compare_videos(video, _pictures(models, video.n_voco), folder / "videos", own, report)
    figures = [
        *_world(profile, seed, tests, seconds),
        *_main(results),
        *_types(results, types_asked(tests)),
        *_differences(results),
        *videos,
    ]
    write(figures, out / "tables.json")
    return figures


def _pictures(models: Mapping[tuple[str, int], Path], n_voco: int) -> dict[Variant, Path]:
    """The models that go on to videos."""
    return {"voco": models["VoCo", n_voco], "avgpool": models["average pooling", 1]}


def _measure(one: Trained, profile: Profile, model: Path, tests: Sequence[Asked], results: Results) -> None:
    if one.variant == "upper":
        results[UPPER, one.n_voco].append(measure(model, tests, "causal"))
        results[LOWER, one.n_voco].append(measure(model, tests, "rule"))
        return
    for n in profile.tokens if one.objective.elastic else (one.n_voco,):
        results[one.row, n].append(measure(model, tests, "rule", n))


def _summary(one: Trained, results: Results) -> str:
    rows = (UPPER, LOWER) if one.variant == "upper" else (one.row,)
    found = [f"{row} N={n}: {interval(r[-1]).value:.1f} %" for (row, n), r in results.items() if row in rows]
    return "  ".join(found)


def _world(profile: Profile, seed: int, tests: Sequence[Asked], seconds: float) -> list[Figure]:
    guessed = text_only(profile, seed, tests)
    return [
        Figure(WORLD, f"level {profile.level}", None, "bits per scene", bits(profile.level)),
        Figure(WORLD, "guessing from the text", None, ACCURACY, sum(guessed.values()) / len(guessed)),
        Figure(WORLD, "training, all models", None, "seconds", seconds),
    ]


def _main(results: Results) -> list[Figure]:
    """Accuracy of every row and, where the bounds lie apart, retention between them."""
    bounds = {row: pooled(found) for (row, _), found in results.items() if row in (UPPER, LOWER)}
    apart = interval(bounds[UPPER]).value > interval(bounds[LOWER]).value
    figures = []
    for (row, n), found in results.items():
        shown = None if row in bounds else n
        figures.append(figure(MAIN, row, shown, ACCURACY, interval(pooled(found))))
        if row not in bounds and apart:
            kept = retention(pooled(found), bounds[LOWER], bounds[UPPER])
            paper = MEAN_RETENTION.get(n) if row.startswith("VoCo") else None
            figures.append(figure(MAIN, row, n, RETENTION, kept, paper))
    return figures


def _types(results: Results, types: Sequence[str]) -> list[Figure]:
    return [
        figure(TYPES_TABLE, row, None if row in (UPPER, LOWER) else n, kind, value)
        for (row, n), found in results.items()
        for kind, value in by_type(pooled(found), types).items()
    ]


def _differences(results: Results) -> list[Figure]:
    """VoCo against each other row with as many tokens, seed by seed."""
    figures = []
    for (row, n), found in results.items():
        plain = results.get(("VoCo", n), [])
        if row in ("VoCo", UPPER, LOWER) or not plain:
            continue
        gaps = [interval(ours).value - interval(theirs).value for ours, theirs in zip(plain, found, strict=True)]
        figures.append(figure(DIFFERENCES, f"VoCo less {row}", n, "points", over_seeds(gaps)))
    return figures
