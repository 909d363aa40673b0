"""The experiment's data: scenes of the small world, drawn, asked about, and ingested as any other data set."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.ingest import IngestConfig, ingest
from components.reproducing.profiles import TYPES, Profile
from data.world.drawing import draw
from data.world.scenes import Scene, generator, make_scene
from data.world.speech import Pair, caption, questions
from voco_model.errors import VocoError
from voco_model.processing.templates import IMAGE_TAGS

SIDE = 64
"""Pixels of a picture's side: what the small tower sees."""
ASK = "What is in the picture?"


@dataclass(frozen=True)
class Asked:
    """A scene with the questions about it."""

    scene: Scene
    pairs: tuple[Pair, ...]


ROUNDS = 20
"""Times that a scene is asked for each question wanted: some rounds find nothing to ask."""


@dataclass(frozen=True)
class DataSets:
    """Ingested training data."""

    captions: Path
    questions: Path
    lessons: dict[str, Path]
    """By the lesson's name."""


def asked(
    profile: Profile,
    split: str,
    n: int,
    seed: int,
    level: int | None = None,
    types: tuple[str, ...] = TYPES,
) -> Iterator[Asked]:
    """Scenes with `profile.questions` questions each; where a type cannot be asked, others are asked more."""
    for number in range(n):
        scene = make_scene(seed, split, number, level or profile.level)
        rng = generator("reproduce", seed, split, number)
        pairs: list[Pair] = []
        for _ in range(ROUNDS * profile.questions):
            pairs += questions(scene, rng, types)
            if len(pairs) >= profile.questions:
                break
        else:
            raise VocoError(f"scene {number} answers no question of the types {', '.join(types)}; ask others too")
        yield Asked(scene, tuple(pairs[: profile.questions]))


def make_data(profile: Profile, out: Path, seed: int) -> DataSets:
    """Draw, write and ingest what is not there yet; captions and questions are about the same scenes."""
    sets = DataSets(out / "captions", out / "questions", {one.name: out / one.name for one in profile.lessons})
    if not (sets.captions.is_dir() and sets.questions.is_dir()):
        scenes = list(asked(profile, "train", profile.train_scenes, seed))
        _ingest(sets.captions, "llava_pretrain", _captions(scenes, seed), scenes)
        _ingest(sets.questions, "llava_instruct", _questions(scenes), scenes)
    for lesson in profile.lessons:
        folder = sets.lessons[lesson.name]
        if not folder.is_dir():
            scenes = list(asked(profile, "train", profile.train_scenes, seed, lesson.level, lesson.types))
            _ingest(folder, "llava_instruct", _questions(scenes), scenes)
    return sets


def _captions(scenes: Sequence[Asked], seed: int) -> list[dict[str, Any]]:
    said = ((e.scene.name, caption(e.scene, generator("caption", seed, e.scene.name))) for e in scenes)
    return [_record(name, name, ASK, text) for name, text in said]


def _questions(scenes: Sequence[Asked]) -> list[dict[str, Any]]:
    return [
        _record(f"{each.scene.name}-{k}", each.scene.name, pair.question, pair.answer)
        for each in scenes
        for k, pair in enumerate(each.pairs)
    ]


def _ingest(folder: Path, kind: str, records: list[dict[str, Any]], scenes: Sequence[Asked]) -> None:
    """Write the records and pictures as the real files are, and read them as those are read."""
    if folder.is_dir():
        return
    raw = folder.with_name("raw")
    (raw / "images").mkdir(parents=True, exist_ok=True)
    for each in scenes:
        picture = raw / _picture(each.scene.name)
        if not picture.is_file():
            draw(each.scene, SIDE).save(picture)
    file = f"{folder.name}.json"
    (raw / file).write_text(json.dumps(records), encoding="utf-8")
    ingest(IngestConfig(folder.name, kind, str(raw), file, folder))


def _picture(name: str) -> str:
    return f"images/{name}.png"


def _record(name: str, scene: str, question: str, answer: str) -> dict[str, Any]:
    turns = (("human", f"{IMAGE_TAGS[0]}\n{question}"), ("gpt", answer))
    return {
        "id": name,
        "image": _picture(scene),
        "conversations": [{"from": who, "value": what} for who, what in turns],
    }


def text_only(profile: Profile, seed: int, tests: Sequence[Asked]) -> dict[str, float]:
    """What the best guesser that sees no picture scores on the test questions, by type, in percent."""
    from data.world.balance import text_only_score

    known = [pair for each in asked(profile, "train", min(500, profile.train_scenes), seed) for pair in each.pairs]
    scores = {}
    for kind in TYPES:
        mine = [[pair for pair in pairs if pair.type == kind] for pairs in (known, _pairs(tests))]
        if mine[1]:
            scores[kind] = 100 * text_only_score(mine[1], mine[0])[0]
    return scores


def _pairs(tests: Sequence[Asked]) -> list[Pair]:
    return [pair for each in tests for pair in each.pairs]
