"""The model that a recipe starts from: base folders, checkpoints, presets; variants; what is new."""

import json

import pytest
import torch

from tests.voco_model.training.small_runs import bases, recipe
from voco_model.digest import of_tensors
from voco_model.errors import VocoError
from voco_model.processing.tokenizer import voco_id
from voco_model.training.building import EMBEDDINGS, HEAD, HISTORY, VOCO_ROWS, build

VARIANTS = ("voco", "avgpool", "qformer", "upper")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return bases(tmp_path_factory.mktemp("base"))


@pytest.fixture
def make(tmp_path, base):
    """Builds from the base folders."""

    def from_bases(variant="voco", seed=0, **start):
        return build(recipe(tmp_path, tmp_path, variant=variant, seed=seed, start={**base, **start}))

    return from_bases


def weights(built) -> str:
    return of_tensors(sorted(built.model.state_dict().items()))


def saved(built, folder, *stages):
    """As a run leaves it."""
    built.model.save_pretrained(folder)
    built.processor.save_pretrained(folder)
    entries = [{"stage": stage, "variant": "voco", "model": "ab" * 32} for stage in stages]
    (folder / HISTORY).write_text(json.dumps({"stages": entries}))
    return folder


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_comes_from_the_same_bases_and_seed(make, variant):
    built, again, other = make(variant), make(variant), make(variant, seed=1)
    assert weights(built) == weights(again) != weights(other)
    assert built.model.config.compressor == {"upper": "voco"}.get(variant, variant)
    assert built.model.config.reading == ("causal" if variant == "upper" else "rule")
    assert built.drawn == (["compressor"] if variant in ("avgpool", "qformer") else ["compressor", "projector"])
    assert built.history == []
    assert torch.equal(
        built.model.get_input_embeddings().weight[:259], make("voco").model.get_input_embeddings().weight[:259]
    )


def test_the_tokenizer_gets_its_voco_token_and_the_model_a_row_for_it(make):
    built = make()
    token = voco_id(built.processor.tokenizer)
    assert token == built.model.config.voco_token_id == 259
    state = built.model.state_dict()
    for name in (EMBEDDINGS, HEAD):
        rows = state[name]
        assert rows.shape[0] == 260
        assert torch.allclose(rows[259], rows[:259].mean(0), atol=1e-6)


def test_new_voco_embeddings_lie_near_the_mean_of_the_tokens_but_apart(make):
    state = make(n_voco=8).model.state_dict()
    rows, tokens = state[VOCO_ROWS], state[EMBEDDINGS]
    assert rows.shape[0] == 8
    assert len({tuple(row.tolist()) for row in rows}) == 8
    assert (rows - tokens.mean(0)).norm(dim=1).max() < 0.5 * (tokens - tokens.mean(0)).norm(dim=1).mean()


def test_tied_heads_stay_tied(tmp_path):
    built = build(recipe(tmp_path / "run", tmp_path, start=bases(tmp_path, tied=True)))
    assert built.model.get_output_embeddings().weight is built.model.get_input_embeddings().weight


def test_a_checkpoint_comes_back_as_it_was(make, tmp_path):
    built = make(n_voco=2, options={"positions": "layout"}, template="short")
    folder = saved(built, tmp_path / "saved", "align")
    back = build(recipe(tmp_path / "run", tmp_path, start={"checkpoint": folder}))
    assert weights(back) == weights(built)
    assert (back.model.config.n_voco, back.model.config.positions) == (2, "layout")
    assert (back.processor.template, back.processor.n_voco) == ("short", 2)
    assert (back.drawn, back.parent, [x["stage"] for x in back.history]) == ([], "ab" * 32, ["align"])


@pytest.mark.parametrize("n_voco", [1, 2, 5])
def test_more_voco_tokens_keep_those_that_were_learnt(make, tmp_path, n_voco):
    built = make(n_voco=2)
    folder = saved(built, tmp_path / "saved")
    old = built.model.state_dict()[VOCO_ROWS]
    start = {"checkpoint": folder, "n_voco": n_voco}
    new = build(recipe(tmp_path / "run", tmp_path, start=start)).model.state_dict()[VOCO_ROWS]
    assert new.shape[0] == n_voco
    assert torch.equal(new[:2], old[:n_voco])
    assert torch.isfinite(new).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_begin_from_one_aligned_checkpoint(make, tmp_path, variant):
    built = make()
    folder = saved(built, tmp_path / "saved", "align")
    back = build(recipe(tmp_path / "run", tmp_path, variant=variant, start={"checkpoint": folder}))
    kept, had = back.model.state_dict(), built.model.state_dict()
    external = variant in ("avgpool", "qformer")
    assert back.drawn == (["compressor"] if external else [])
    same = [name for name in kept if name in had and kept[name].shape == had[name].shape]
    assert all(torch.equal(kept[name], had[name]) for name in same)
    assert any(name.startswith("projector.") for name in same) == (not external)


def test_a_preset_is_drawn_whole(tmp_path):
    one, two = (build(recipe(tmp_path, tmp_path, start={"preset": "tiny"}, seed=seed)) for seed in (0, 0))
    assert weights(one) == weights(two)
    assert (one.drawn, one.parent) == (["all"], None)


def test_drawing_leaves_the_callers_random_numbers_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build(recipe(tmp_path, tmp_path))
    assert torch.equal(torch.rand(3), expected)


def test_mistakes_are_named_in_one_line(tmp_path, base, make):
    other = saved(make(), tmp_path / "other")
    wrong = json.loads((other / "config.json").read_text())
    wrong["text_config"]["intermediate_size"] += 8
    (other / "config.json").write_text(json.dumps(wrong))
    starts = [
        ({"checkpoint": tmp_path / "nowhere"}, "config.json is missing"),
        ({"checkpoint": base["language"]}, "model_type is 'llama', not a VoCo model's"),
        ({"checkpoint": other}, "is it another model's folder"),
        ({**base, "vision": tmp_path}, "config.json is missing"),
        ({"preset": "tiny", "options": {"compressor": "qformer"}}, "that is said by variant"),
        ({"preset": "tiny", "options": {"posistions": "layout"}}, "unknown key posistions"),
        ({"preset": "tiny", "options": {"positions": "sideways"}}, "start.options"),
        ({"preset": "huge"}, "unknown preset"),
    ]
    for start, words in starts:
        with pytest.raises(VocoError, match=words) as caught:
            build(recipe(tmp_path / "run", tmp_path, start=start))
        assert "\n" not in str(caught.value)


def test_average_pooling_takes_one_token(tmp_path):
    with pytest.raises(VocoError, match="set n_voco to 1"):
        build(recipe(tmp_path, tmp_path, variant="avgpool", start={"preset": "tiny", "n_voco": 2}))


def test_digests_of_parents_without_history_are_their_weights(make):
    assert make().parent == make().parent
    assert len(make().parent) == 64
