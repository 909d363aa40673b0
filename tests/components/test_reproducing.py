"""The paper's comparison: what is asked, what counts as right, how figures are joined, and one minuscule run."""

import json
import math
from dataclasses import replace

import pytest
import torch

from components.reproducing.clips import VideoProfile
from components.reproducing.measuring import answered_rightly, as_shares, by_type, over_seeds, pooled, types_asked
from components.reproducing.profiles import PROFILES, SEARCHES, TYPES, Lesson, Stage
from components.reproducing.run import LOWER, MAIN, UPPER, reproduce
from components.reproducing.scenes import asked, text_only
from components.reproducing.variants import variants
from components.reproducing.video import FRAMES, ONE_FRAME, POOLED
from components.reproducing.video import TABLE as VIDEOS
from data.world.base import make_base
from data.world.drawing import draw
from data.world.facts import signature
from data.world.scenes import make_scene
from pipelines.cli import main
from voco_model.errors import VocoError
from voco_model.evaluation.statistics import interval
from voco_model.evaluation.tables import RETENTION, Figure, show, write
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.processor import VocoProcessor

TINY = PROFILES["tiny"]
MINUSCULE = replace(
    TINY,
    train_scenes=12,
    test_scenes=6,
    questions=5,
    tokens=(1, 2),
    elastic=False,
    bounds=None,
    fewer=None,
    baselines=True,
    options=True,
    seeds=2,
    align=Stage(1, 1e-3),
    lessons=(Lesson("few", 1, Stage(1, 1e-3)), Lesson("searches", 2, Stage(1, 1e-3), SEARCHES)),
    instruct=Stage(1, 1e-3),
    images_per_step=2,
)
CLIPS = VideoProfile(
    level=1,
    train_clips=2,
    test_clips=2,
    rounds=1,
    n_frames=2,
    n_voco=2,
    length=Stage(1, 1e-3),
    clips_per_step=2,
    questions_per_clip=3,
)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
def test_scenes_are_asked_evenly_and_again_the_same(profile):
    some = list(asked(profile, "test", 5, seed=1))
    assert some == list(asked(profile, "test", 5, seed=1))
    assert all(len(each.pairs) == profile.questions for each in some)
    assert set(types_asked(some)) == set(TYPES)


def test_a_scene_that_can_answer_nothing_is_an_error_and_no_endless_loop(monkeypatch):
    monkeypatch.setattr("components.reproducing.scenes.questions", lambda *_: [])
    with pytest.raises(VocoError, match="scene 0 answers no question of the types exists; ask others too"):
        list(asked(TINY, "test", 1, seed=0, types=("exists",)))


def test_test_scenes_are_never_trained_on():
    train, test = ({signature(e.scene) for e in asked(TINY, split, 60, seed=0)} for split in ("train", "test"))
    assert not train & test


def test_words_alone_say_little():
    guessed = text_only(replace(TINY, train_scenes=300), 0, list(asked(TINY, "test", 100, seed=0)))
    assert sum(guessed.values()) / len(guessed) < 35
    assert guessed["colour_at"] < 25
    assert guessed["exists"] < 65


def test_every_variant_gets_the_same_steps_and_elastic_ones_all_numbers():
    rows = [(one.row, one.n_voco) for one in variants(PROFILES["paper"])]
    assert len(set(rows)) == len(rows)
    assert {n for row, n in rows if row == "VoCo"} == set(PROFILES["paper"].tokens)
    assert not any(one.length or one.after for one in variants(PROFILES["paper"]))
    (elastic,) = [one for one in variants(replace(TINY, elastic=True)) if one.objective.elastic]
    assert set(elastic.objective.elastic) == set(TINY.tokens)


def test_fewer_tokens_may_go_on_from_the_most():
    chosen = variants(replace(TINY, elastic=False, bounds=Stage(3, 1e-3), fewer=Stage(2, 1e-3)))
    steps = {(one.row, one.n_voco): (one.length and one.length.steps, one.after) for one in chosen}
    most = max(TINY.tokens)
    assert steps.pop(("upper bound", most)) == (3, None)
    assert steps.pop(("VoCo", most)) == (None, None)
    assert steps == {("VoCo", n): (2, ("VoCo", most)) for n in TINY.tokens if n != most}
    assert [one.n_voco for one in chosen if one.after] == [
        n for n in sorted(TINY.tokens, reverse=True) if n != most
    ]


def test_each_type_counts_the_same_in_the_mean():
    tests = list(asked(TINY, "test", 10, seed=0))
    pairs = [pair for each in tests for pair in each.pairs]
    shares = as_shares(tests, [pair.type == "count" for pair in pairs])
    assert interval(shares).value == pytest.approx(100 / len(TYPES))
    found = by_type(shares, types_asked(tests))
    assert {kind: one.value for kind, one in found.items()} == {kind: 100.0 * (kind == "count") for kind in TYPES}
    assert all(one.low == one.value == one.high for one in found.values()), "all of a kind are right or wrong"
    both = pooled([shares, as_shares(tests, [True] * len(pairs))])
    assert interval(both).value == pytest.approx((100 / len(TYPES) + 100) / 2)
    assert len(set(both.clusters)) == 20


def test_intervals_over_seeds():
    found = over_seeds([1.0, 2.0, 3.0])
    assert (found.value, found.high - found.value) == (2.0, pytest.approx(4.302653 / math.sqrt(3)))
    assert over_seeds([1.0]).high == math.inf


def test_tables_are_written_with_unknown_bounds_as_null(tmp_path):
    figures = [
        Figure("t", "VoCo", 1, RETENTION, 70.0, 60.0, 80.0, 83.7),
        Figure("t", "x", None, "m", 1.0, -math.inf),
    ]
    write(figures, tmp_path / "tables.json")
    entries = json.loads((tmp_path / "tables.json").read_text())
    assert list(entries[0]) == ["table", "row", "n_voco", "metric", "value", "low", "high", "paper"]
    assert entries[1]["low"] is None
    assert "[60.0, 80.0]    83.7" in show(figures)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A run of a few steps: its folder, its figures, what it said."""
    folder = tmp_path_factory.mktemp("paper")
    make_base(folder / "base", level=2, scenes=60, steps=2, report=lambda _: None)
    said = []
    figures = reproduce(MINUSCULE, folder / "base", folder / "out", 0, said.append, CLIPS)
    return folder, figures, said


def test_a_minuscule_run_fills_every_table(ran):
    folder, figures, said = ran
    assert len(json.loads((folder / "out/tables.json").read_text())) == len(figures)
    rows = {(f.row, f.n_voco) for f in figures if f.table == MAIN}
    baselines = {("Q-Former", 1), ("average pooling", 1), ("VoCo, distilled", 1)}
    voco = {(row, n) for row in ("VoCo", "VoCo, elastic") for n in (1, 2)}
    assert rows == {(UPPER, None), (LOWER, None)} | baselines | voco
    assert {f.row for f in figures if "differences" in f.table} == {
        "VoCo less Q-Former", "VoCo less average pooling", "VoCo less VoCo, elastic", "VoCo less VoCo, distilled",
    }  # fmt: skip
    assert {f.row for f in figures if f.table == VIDEOS} > {FRAMES, ONE_FRAME, POOLED}
    assert any("align" in line for line in said)


def test_a_lesson_asks_what_it_is_for():
    some = list(asked(TINY, "train", 5, 0, level=1, types=SEARCHES))
    assert {each.scene.level for each in some} == {1}
    assert types_asked(some) == list(SEARCHES)


def test_a_finished_run_is_not_trained_again(ran):
    folder, figures, _ = ran
    weights = folder / "out/seed-0/VoCo-1/model/model.safetensors"
    before = weights.stat().st_mtime_ns
    again = reproduce(MINUSCULE, folder / "base", folder / "out", 0, lambda _: None, CLIPS)
    assert again == figures
    assert weights.stat().st_mtime_ns == before


def test_right_is_what_greedy_decoding_says(ran):
    folder, _, _ = ran
    saved = folder / "out/seed-0/VoCo-2/model"
    model = VocoForConditionalGeneration.from_pretrained(saved).eval()
    asks = [[{"from": "human", "value": f"<image>\n{q}"}, {"from": "gpt", "value": "red ring"}] for q in "ab"]
    picture = draw(make_scene(0, "test", 0), 64)
    batch = VocoProcessor.from_pretrained(saved)(asks, [[picture], [picture]], labels=True)
    answer = (batch["labels"] != -100).nonzero().view(2, -1, 2)[..., 1]
    for k in range(answer.shape[1]):  # decode: each token is put where the next pass reads it
        with torch.no_grad():
            likeliest = model(**batch).logits.argmax(-1).view(2, -1)
        for name in ("input_ids", "labels"):
            batch[name][[0, 1], answer[:, k]] = likeliest[:, k]
    assert answered_rightly(model, batch, "rule") == [True, True]
    batch["labels"][1, answer[1, -1]] += 1
    assert answered_rightly(model, batch, "rule") == [True, False]


def test_seeds_are_one_or_more(capsys):
    assert main(["reproduce-paper", "--seeds", "0"]) == 1
    assert "--seeds is 0; give 1 or more" in capsys.readouterr().err


def test_an_unknown_profile_is_named(capsys):
    assert main(["reproduce-paper", "--profile", "huge"]) == 1
    assert "unknown profile 'huge'; there are tiny, paper" in capsys.readouterr().err
