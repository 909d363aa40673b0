"""Checkpoints of every layout compute what the reference does."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.voco_model.importing.checkpoints import (
    INLINE,
    NEWLINE,
    World,
    close,
    our_logits,
    pixels,
    read,
    write_tokenizer,
)
from voco_model.config import preset
from voco_model.errors import VocoError
from voco_model.importing import import_checkpoint
from voco_model.model import VocoForConditionalGeneration


@pytest.mark.parametrize("mode", ["two_phase", "one_pass"])
def test_a_voco_checkpoint_computes_what_the_reference_does(world, imported, mode):
    close(our_logits(imported.model, mode, 2), world.text_logits(pixels(), 2, NEWLINE))


def test_the_references_options_are_set(imported):
    config = imported.model.config
    assert (config.n_voco, config.voco_token_id, config.voco_embedding) == (2, 40, "shared")
    assert (config.prefix_visible, config.positions, config.vision_suffix_ids) == (False, "layout", NEWLINE)
    assert (config.compressor, config.reading, config.vision_feature_layer) == ("voco", "rule", -2)
    assert not imported.model.training


def test_other_numbers_of_voco_tokens(world, tower, tmp_path):
    model = read(world.write(tmp_path / "a"), tower, n_voco=3).model
    close(our_logits(model, "two_phase", 3), world.text_logits(pixels(), 3, NEWLINE))


def test_shards_are_read_as_one(world, tower, tmp_path):
    model = read(world.write(tmp_path / "a", shards=3), tower).model
    close(our_logits(model, "two_phase", 2), world.text_logits(pixels(), 2, NEWLINE))


@pytest.mark.parametrize("layout", ["clip", "older", "newer"])
def test_a_tower_apart(world, tmp_path, layout):
    clip = world.write_clip(tmp_path / "clip", layout)
    imported = read(world.write(tmp_path / "a", inline=False), clip)
    close(our_logits(imported.model, "two_phase", 2), world.text_logits(pixels(), 2, NEWLINE))
    text = {name for name, why in imported.unused.items() if why == "belongs to CLIP's text side"}
    assert bool(text) == (layout == "clip")
    assert f"vision tower from {clip}" in imported.report()


def test_a_tower_inside_goes_before_one_apart(world, tmp_path):
    weights = world.weights()
    name = INLINE + "embeddings.class_embedding"
    weights[name] = weights[name] + 1
    apart = world.write_clip(tmp_path / "clip")
    (apart / "model.safetensors").unlink()
    imported = read(world.write(tmp_path / "a", weights=weights), apart)
    assert torch.equal(imported.model.vision_tower.tower.embeddings.class_embedding, weights[name])
    assert f"vision tower from {tmp_path / 'a'}" in imported.report()


@pytest.mark.parametrize("projector", ["mlp2x_gelu", "linear"])
@pytest.mark.parametrize("mode", ["two_phase", "one_pass"])
def test_a_llava_checkpoint_reads_causally(tower, tmp_path, projector, mode):
    world = World(projector=projector)
    imported = read(world.write(tmp_path / "a"), tower, kind="llava", newline_ids=None)
    config = imported.model.config
    assert (config.compressor, config.n_voco, config.reading, config.vision_suffix_ids) == (
        "none",
        0,
        "causal",
        [],
    )
    close(our_logits(imported.model, mode, 0), world.text_logits(pixels(), 0, []))


def test_the_class_token_where_the_configuration_keeps_it(tower, tmp_path):
    world = World(mm_vision_select_feature="cls_patch")
    model = read(world.write(tmp_path / "a"), tower).model
    close(our_logits(model, "two_phase", 2), world.text_logits(pixels(), 2, NEWLINE, whole=True))


def test_a_llava_checkpoint_with_new_voco_tokens(world, tower, tmp_path):
    model = read(world.write(tmp_path / "a"), tower, kind="llava", n_voco=3, newline_ids=None).model
    config = model.config
    assert (config.voco_embedding, config.reading, config.voco_token_id) == ("each", "rule", None)
    mean = world.llama.get_input_embeddings().weight.mean(0)
    torch.testing.assert_close(model.compressor.embedding.weight.data, mean.expand(3, -1).detach())
    torch.testing.assert_close(our_logits(model, "two_phase", 3), our_logits(model, "one_pass", 3))


@pytest.mark.parametrize(("rows", "kind"), [(32000, "llava"), (32001, "voco")])
def test_the_number_of_embeddings_tells_the_kind(tower, tmp_path, rows, kind):
    imported = import_checkpoint(World(rows=rows).write(tmp_path / "a"), vision_tower=tower)
    assert imported.kind == kind
    assert imported.model.config.vision_suffix_ids == ([29871, 13] if kind == "voco" else [])


def test_tied_embeddings(tower, tmp_path):
    world = World(tied=True)
    folder = world.write(tmp_path / "a")
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    model = read(folder, tower).model
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    close(our_logits(model, "two_phase", 2), world.text_logits(pixels(), 2, NEWLINE))


def test_everything_is_in_memory_as_if_built_normally(imported):
    model = imported.model
    built = VocoForConditionalGeneration(model.config)
    assert [n for n, _ in model.named_buffers()] == [n for n, _ in built.named_buffers()]
    for (name, ours), (_, theirs) in zip(model.named_buffers(), built.named_buffers(), strict=True):
        assert torch.equal(ours, theirs), name
    assert not any(p.is_meta for p in model.parameters())


def test_the_dtype_is_the_checkpoints_own_unless_given(world, tower, tmp_path):
    halves = {k: v.half() if v.is_floating_point() else v for k, v in world.weights(inline=False).items()}
    folder = world.write(tmp_path / "a", weights=halves)
    assert {p.dtype for p in read(folder, tower).model.parameters()} == {torch.float16}
    model = read(folder, tower, dtype=torch.bfloat16).model
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert model.language_model.model.rotary_emb.inv_freq.dtype == torch.float32


def test_the_newline_is_the_tokenizers_unless_given(world, tower, tmp_path):
    folder = world.write(tmp_path / "a")
    write_tokenizer(folder)
    imported = read(folder, tower, newline_ids=None)
    assert imported.model.config.vision_suffix_ids == [3, 4 + 10]
    assert "newline [3, 14] by the folder's tokenizer" in imported.report()
    assert read(folder, tower).model.config.vision_suffix_ids == NEWLINE
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(VocoError, match=r"the tokenizer cannot be read.*give newline_ids"):
        read(folder, tower, newline_ids=None)


def test_saved_and_loaded_again_it_computes_the_same(world, imported, tower, tmp_path):
    folder = world.write(tmp_path / "a")
    write_tokenizer(folder)
    (folder / "training_args.bin").write_bytes(b"not ours")
    read(folder, tower).save(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "out"]
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    assert "training_args.bin" not in names
    again = VocoForConditionalGeneration.from_pretrained(tmp_path / "out")
    assert torch.equal(our_logits(again, "two_phase", 2), our_logits(imported.model, "two_phase", 2))
    for taken in (folder, tmp_path / "out"):
        with pytest.raises(VocoError, match="not an empty folder"):
            imported.save(taken)


def test_the_seven_billion_preset_is_what_the_published_configuration_gives():
    """The importer's options for the published weights, against the preset of that size."""
    from voco_model.importing.options import _known_tower, voco_config

    world = World(rows=32001)
    sizes = {
        "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "max_position_embeddings": 4096, "pad_token_id": 0, "head_dim": None,
    }  # fmt: skip
    tower = _known_tower("openai/clip-vit-large-patch14-336", Path())
    ours = voco_config(world.config | sizes, Path(), tower, "voco", 32001, None, [29871, 13])
    expected = preset("llava-7b-336")
    assert ours.text_config.to_dict() == expected.text_config.to_dict()
    assert ours.vision_config.to_dict() == expected.vision_config.to_dict()
