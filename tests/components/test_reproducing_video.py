"""The video experiment: its clips, what is asked of them, and the whole of it on models that know nothing."""

import json
from dataclasses import replace

import pytest
import torch

from components.reproducing.clips import (
    CHANGES,
    AskedClip,
    VideoProfile,
    asked_clips,
    guessed,
    video_profile_named,
)
from components.reproducing.profiles import Stage
from components.reproducing.video import (
    FRAMES,
    ONE_FRAME,
    POOLED,
    TABLE,
    VARIANTS,
    compare_videos,
    measure_clips,
)
from data.world.speech import Pair
from tests.voco_model.worlds import config
from voco_model.config import preset
from voco_model.errors import VocoError
from voco_model.evaluation.statistics import interval
from voco_model.evaluation.tables import ACCURACY
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer
from voco_model.training.building import HISTORY

SMALL = VideoProfile(
    level=1,
    train_clips=6,
    test_clips=5,
    rounds=1,
    n_frames=3,
    n_voco=2,
    length=Stage(2, 1e-3),
    clips_per_step=2,
    questions_per_clip=3,
    frames_at_once=2,
)


def instructed(folder, variant, n_voco):
    """A model with random weights that says it has been instructed."""
    torch.manual_seed(0)
    made = preset("tiny", text_config=config().text_config, compressor=variant, n_voco=n_voco)
    VocoForConditionalGeneration(made).save_pretrained(folder)
    VocoProcessor.for_model(made, byte_tokenizer(), template="short").save_pretrained(folder)
    entry = {"stage": "instruct", "variant": variant, "model": "00" * 32}
    (folder / HISTORY).write_text(json.dumps({"stages": [entry]}))
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    return {variant: instructed(root / variant, variant, n) for variant, n in zip(VARIANTS, (4, 1), strict=True)}


def test_questions_are_about_changes_alone_and_follow_from_the_seed():
    first, again, other = (
        [each.pairs for each in asked_clips(SMALL, "test", 5, seed, rounds=3)] for seed in (0, 0, 1)
    )
    assert first == again != other
    assert {pair.type for pairs in first for pair in pairs} <= set(CHANGES)
    assert all(len(set(pairs)) == len(pairs) >= 3 for pairs in first)


def test_the_words_alone_say_nothing():
    profile = replace(SMALL, train_clips=200)
    scores = guessed(profile, list(asked_clips(profile, "test", 100, 0)), 0)
    assert set(scores) == set(CHANGES)
    for score, chance in scores.values():
        assert score <= chance + 15


def test_one_frame_is_the_middle_of_the_clip(tmp_path):
    each = next(asked_clips(SMALL, "test", 1, 0))
    all_three, one = each.frames(3, tmp_path), each.frames(1, tmp_path)
    assert [frame.size for frame in all_three] == [(64, 64)] * 3
    assert one[0].tobytes() == all_three[1].tobytes()
    assert len({frame.tobytes() for frame in all_three}) == 3, "something changes from frame to frame"


def test_the_whole_experiment(pictures, tmp_path):
    said = []
    figures = compare_videos(SMALL, pictures, tmp_path, 0, said.append)
    accuracy = {each.row: each.value for each in figures if (each.table, each.metric) == (TABLE, ACCURACY)}
    assert {FRAMES, ONE_FRAME, POOLED, "chance", "guessing from the text"} <= accuracy.keys()
    gaps = {each.row: each.value for each in figures if each.metric == "points"}
    assert gaps == {f"{FRAMES}, less {row}": accuracy[FRAMES] - accuracy[row] for row in (ONE_FRAME, POOLED)}
    for variant, n in zip(VARIANTS, (2, 1), strict=True):
        model = tmp_path / f"video-{variant}" / "model"
        stages = json.loads((model / HISTORY).read_text())["stages"]
        assert [stage["stage"] for stage in stages] == ["instruct", "continue_video"]
        assert VocoForConditionalGeneration.from_pretrained(model).config.n_voco == n
    trained = [line for line in said if "loss" in line]
    said.clear()
    assert compare_videos(SMALL, pictures, tmp_path, 0, said.append) == figures
    assert trained
    assert not [line for line in said if "loss" in line], "what is finished is not trained again"


def test_measuring_counts_what_is_right(pictures, tmp_path, monkeypatch):
    """A model that says b for c is right where b is the answer; each type counts the same."""
    each = next(asked_clips(SMALL, "test", 1, 0))
    pairs = (Pair("Which?", "b", CHANGES[0]), Pair("Which?", "c", CHANGES[0]), Pair("Which?", "b", CHANGES[1]))
    tests = [AskedClip(each.clip, pairs)]
    forward = VocoForConditionalGeneration.forward
    letter = {x: VocoProcessor.from_pretrained(pictures["voco"]).tokenizer(x)["input_ids"][-1] for x in "bc"}

    def says_b(self, *arguments, **options):
        out = forward(self, *arguments, **options)
        answers = options["labels"][options["labels"] != -100]
        said = answers.masked_fill(answers == letter["c"], letter["b"])
        return replace(out, logits=torch.nn.functional.one_hot(said, out.logits.shape[-1]).float())

    monkeypatch.setattr(VocoForConditionalGeneration, "forward", says_b)
    shares = measure_clips(pictures["voco"], tests, [each.frames(2, tmp_path)])
    assert interval(shares).value == pytest.approx((50 + 100) / 2)


def test_an_unknown_profile_is_named():
    with pytest.raises(VocoError, match="profile 'huge' has no video experiment; there are tiny, paper"):
        video_profile_named("huge")
