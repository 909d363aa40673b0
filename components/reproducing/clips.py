"""The video experiment's data: clips of the small world, asked about what happens in them, and in which order."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from components.ingest import IngestConfig, ingest
from components.reproducing.profiles import Stage
from components.reproducing.scenes import SIDE
from data.world.balance import text_only_score
from data.world.drawing import write_mp4
from data.world.scenes import Clip, generator, make_clip
from data.world.speech import Pair, clip_caption, clip_questions
from voco_model.errors import VocoError
from voco_model.video import sample_frames

CHANGES = ("clip_what", "clip_first_kind", "clip_order", "clip_new_colour", "clip_old_colour")
"""What moved first, which event came first, whether one came before another, and colours after and before."""
ASK = "What happens?"


@dataclass(frozen=True)
class VideoProfile:
    """Everything that decides the video experiment; average pooling gets the same clips, steps and seed."""

    level: int
    """Of the world's clips."""
    train_clips: int
    test_clips: int
    rounds: int
    """Questions of each type about each training clip."""
    n_frames: int
    """Taken evenly from a clip."""
    n_voco: int
    """Tokens of a frame."""
    length: Stage
    clips_per_step: int = 8
    questions_per_clip: int = 12
    frames_at_once: int | None = None
    """Frames whose activations are in memory together."""


VIDEO_PROFILES = {
    "tiny": VideoProfile(
        level=2, train_clips=2000, test_clips=200, rounds=3, n_frames=6, n_voco=2, length=Stage(300, 2e-3)
    ),
    "paper": VideoProfile(
        level=2, train_clips=8000, test_clips=400, rounds=3, n_frames=8, n_voco=2, length=Stage(3000, 1.5e-3)
    ),
}
"""Not of level 1: its clips begin with two things, so that one frame's number of things tells what happened."""


def video_profile_named(name: str) -> VideoProfile:
    """The video experiment's size in the profile of that name."""
    if name not in VIDEO_PROFILES:
        raise VocoError(f"profile '{name}' has no video experiment; there are {', '.join(VIDEO_PROFILES)}")
    return VIDEO_PROFILES[name]


@dataclass(frozen=True)
class AskedClip:
    """A clip with questions about it."""

    clip: Clip
    pairs: tuple[Pair, ...]

    def frames(self, count: int, folder: Path) -> list[Image]:
        """Frames as a model gets them: out of the clip's mp4, which is written into the folder."""
        path = folder / f"{self.clip.name}.mp4"
        if not path.is_file():
            write_mp4(self.clip, path, SIDE)
        return [frame.image for frame in sample_frames(path, count=count)]


def asked_clips(profile: VideoProfile, split: str, n: int, seed: int, rounds: int = 1) -> Iterator[AskedClip]:
    """Clips with the questions about changes that they can give, each once."""
    for number in range(n):
        clip = make_clip(seed, split, number, profile.level)
        rng = generator("reproduce", seed, split, number)
        pairs = [pair for _ in range(rounds) for pair in clip_questions(clip, rng, CHANGES)]
        yield AskedClip(clip, tuple(dict.fromkeys(pairs)))


def make_clips(profile: VideoProfile, out: Path, seed: int) -> Path:
    """An ingested data set: training clips with their questions, and what happens in them told in order."""
    done = out / "clips"
    if done.is_dir():
        return done
    videos = out / "raw" / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    records = []
    for each in asked_clips(profile, "train", profile.train_clips, seed, profile.rounds):
        name = each.clip.name
        write_mp4(each.clip, videos / f"{name}.mp4", SIDE)
        told = Pair(ASK, clip_caption(each.clip, generator("caption", seed, name)), "caption")
        records += [{"q": pair.question, "a": pair.answer, "video_id": name} for pair in (*each.pairs, told)]
    (out / "raw" / "pairs.json").write_text(json.dumps(records))
    ingest(IngestConfig("clips", "video_chatgpt", str(out / "raw"), "pairs.json", done, media="videos"))
    return done


def guessed(profile: VideoProfile, tests: Sequence[AskedClip], seed: int) -> dict[str, tuple[float, float]]:
    """By question type, in percent: what the best guesser that sees no clip scores, and chance."""
    known = asked_clips(profile, "train", min(500, profile.train_clips), seed)
    pairs = [pair for each in known for pair in each.pairs], [pair for each in tests for pair in each.pairs]
    scores = {}
    for kind in CHANGES:
        train, test = ([pair for pair in some if pair.type == kind] for some in pairs)
        if test:
            score, chance = text_only_score(test, train)
            scores[kind] = 100 * score, 100 * chance
    return scores
