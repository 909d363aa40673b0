"""The base models: ordinary folders, the same weights again, and facts read from pictures that were never seen."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, CLIPVisionModel

from data.world.base import READY_MADE, make_base, weights
from data.world.base_language import blocks_of, texts, train_tokenizer
from data.world.base_vision import NAMES, PATCH, SIZE, batches, patch_facts
from data.world.scenes import make_scene
from voco_model.errors import VocoError
from voco_model.processing.tokenizer import voco_id


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A base of few steps, and what was said of it."""
    out = tmp_path_factory.mktemp("base") / "base"
    about = make_base(out, seed=3, level=1, scenes=100, steps=80, report=lambda _: None)
    return out, about


def test_the_folders_are_read_as_any_other(made):
    out, about = made
    tower = CLIPVisionModel.from_pretrained(out / "vision")
    language = AutoModelForCausalLM.from_pretrained(out / "language")
    tokenizer = AutoTokenizer.from_pretrained(out / "language")
    assert weights(tower) == about["vision"]["digest"]
    assert weights(language) == about["language"]["digest"]
    assert json.loads((out / "base.json").read_text()) == about
    assert voco_id(tokenizer) < language.config.vocab_size == len(tokenizer)
    assert sum(f.stat().st_size for f in out.rglob("*") if f.is_file()) < 4 * 2**20


def test_the_same_arguments_give_the_same_weights(made, tmp_path):
    _, about = made
    again = make_base(tmp_path / "again", seed=3, level=1, scenes=100, steps=80, report=lambda _: None)
    assert again == about


def test_the_kept_models_are_those_that_their_record_names():
    about = json.loads((READY_MADE / "base.json").read_text())
    assert weights(CLIPVisionModel.from_pretrained(READY_MADE / "vision")) == about["vision"]["digest"]
    assert weights(AutoModelForCausalLM.from_pretrained(READY_MADE / "language")) == about["language"]["digest"]
    assert sum(f.stat().st_size for f in READY_MADE.rglob("*") if f.is_file()) < 4 * 2**20


@pytest.mark.integration
def test_the_kept_models_are_what_the_command_makes(tmp_path):
    """Bit by bit where the processor is of the same kind; as good, elsewhere."""
    kept = json.loads((READY_MADE / "base.json").read_text())
    made = make_base(tmp_path / "base", report=lambda _: None)
    for model in ("vision", "language"):
        scores, wanted = dict(made[model]), dict(kept[model])
        if scores.pop("digest") != wanted.pop("digest"):
            assert scores == pytest.approx(wanted, abs=0.05)


def test_they_learned_something(made):
    """Chance is one in eight colours, one in six shapes; words alone would leave hundreds of choices."""
    _, about = made
    assert about["vision"]["colour"] > 0.4
    assert about["vision"]["row"] > 0.8
    assert about["language"]["perplexity"] < 30


def test_patch_facts_are_what_stands_there():
    scene = make_scene(0, "train", 5, 2)
    facts = patch_facts(scene).reshape(SIZE // PATCH, SIZE // PATCH, len(NAMES))
    for thing in scene.things:
        x, y = (thing.box[0] + thing.box[2]) / 2, (thing.box[1] + thing.box[3]) / 2
        told = facts[int(y * SIZE / PATCH), int(x * SIZE / PATCH)]
        assert [names[k] for names, k in zip(NAMES.values(), told, strict=True)] == [
            thing.colour, thing.shape, thing.word or "nothing", str(thing.row + 1), str(thing.column + 1),
        ]  # fmt: skip
    assert (facts[..., 0] == 0).any() or len(scene.things) == scene.grid**2


def test_every_example_comes_once_before_any_comes_twice():
    chosen = torch.cat(list(batches(10, 4, 5, seed=0)))
    assert np.array_equal(np.sort(chosen[:10]), np.arange(10))
    assert np.array_equal(np.sort(chosen[10:]), np.arange(10))


def test_the_tokenizer_says_everything_and_the_corpus_back():
    corpus = list(texts(0, "train", 30, 2))
    tokenizer = train_tokenizer(corpus)
    for text in (*corpus[:20], "naïve ☃ <voco>"):
        assert tokenizer.decode(tokenizer(text, split_special_tokens=True)["input_ids"]) == text
    rows = blocks_of(corpus, tokenizer)
    assert tokenizer.decode(rows.flatten()).startswith(corpus[0] + "</s>")


@pytest.mark.parametrize(("options", "message"), [({"scenes": 3}, "3 scenes"), ({"steps": 0}, "0 steps")])
def test_bad_input_is_named(tmp_path, options, message):
    with pytest.raises(VocoError, match=message):
        make_base(tmp_path / "base", **options)
    with pytest.raises(VocoError, match="is there already"):
        make_base(tmp_path)
    assert list(tmp_path.iterdir()) == []
