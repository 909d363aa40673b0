"""Configurations, folders and options that cannot be read, each named with the way out."""

import json

import pytest

from tests.voco_model.importing.checkpoints import World, read
from voco_model.errors import VocoError


def test_a_known_tower_is_known_by_name(tmp_path):
    world = World(mm_vision_tower="openai/clip-vit-large-patch14-336", mm_hidden_size=1024)
    with pytest.raises(VocoError, match=r"embeddings\.position_embedding\.weight is \(5, 16\), not \(577, 1024\)"):
        read(world.write(tmp_path / "a"), None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"mm_projector_type": "mlp3x_gelu"},
            "mm_projector_type is 'mlp3x_gelu'; only 'mlp2x_gelu' or 'linear'",
        ),
        ({"mm_projector_type": None}, "mm_projector_type is None; give a checkpoint of LLaVA's own"),
        ({"mm_vision_select_feature": "slice"}, "mm_vision_select_feature is 'slice'"),
        ({"mm_use_im_start_end": True}, "mm_use_im_start_end is True; only False can be read"),
        ({"mm_patch_merge_type": "spatial_unpad"}, "mm_patch_merge_type is 'spatial_unpad'; only 'flat'"),
        ({"mm_resampler_type": "qformer"}, "mm_resampler_type is 'qformer'; only nothing"),
        ({"model_type": "llava_mistral"}, "model_type is 'llava_mistral'; only 'llava_llama'"),
        ({"mm_vision_select_layer": -9}, "vision_feature_layer is -9; the tower has 3 layers"),
        ({"mm_hidden_size": 17}, "mm_hidden_size is 17, the tower .* is 16 wide"),
        (
            {"num_attention_heads": "four"},
            r"config\.json describes no model that can be built: .*num_attention_heads",
        ),
        ({"hidden_act": "snake"}, r"config\.json describes no model that can be built: .*snake"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_type 'dynamic'"),
    ],
)
def test_configurations_that_cannot_be_read(tower, tmp_path, change, message):
    with pytest.raises(VocoError, match=message) as caught:
        read(World(**change).write(tmp_path / "a"), tower)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["mm_vision_tower", "mm_projector_type", "mm_hidden_size", "mm_vision_select_layer", "vocab_size"]
)
def test_a_missing_key_is_named(tower, tmp_path, key):
    world = World()
    del world.config[key]
    with pytest.raises(VocoError, match=f"{key} is missing"):
        read(world.write(tmp_path / "a"), tower)


def test_unreadable_configurations_and_folders(world, tower, tmp_path):
    folder = world.write(tmp_path / "a")
    (folder / "config.json").write_text("{")
    with pytest.raises(VocoError, match=r"config\.json cannot be read as JSON"):
        read(folder, tower)
    (folder / "config.json").unlink()
    with pytest.raises(VocoError, match=r"config\.json is missing"):
        read(folder, tower)
    with pytest.raises(VocoError, match="is not a folder; nothing is downloaded"):
        read("liuhaotian/llava-v1.5-7b", tower)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "config.json").write_text(json.dumps(world.config))
    with pytest.raises(VocoError, match=r"neither model\.safetensors nor"):
        read(tmp_path / "b", tower)


def test_a_tower_must_be_given_where_none_is_known(world, imported, tmp_path):
    with pytest.raises(
        VocoError, match=r"'openai/clip-vit-tiny' says nothing of the tower's size; .*--vision-tower"
    ):
        read(world.write(tmp_path / "inline"), None)
    apart = world.write(tmp_path / "apart", inline=False)
    with pytest.raises(VocoError, match="no vision tower inside; give 'openai/clip-vit-tiny' with --vision-tower"):
        read(apart, None)
    with pytest.raises(VocoError, match="model_type is 'llava_llama'; --vision-tower takes a CLIP"):
        read(apart, apart)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "auto"}, "has 41 rows, where LLaVA has 32000 and VoCo-LLaMA 32001"),
        ({"kind": "clip"}, "kind 'clip' is unknown"),
        ({"newline_ids": None}, r"newline ids \[29871, 13\] do not fit the 41 rows"),
        ({"newline_ids": [-1]}, r"newline ids \[-1\] do not fit"),
        ({"n_voco": 0}, "n_voco is 0"),
    ],
)
def test_options_that_do_not_fit(world, tower, tmp_path, options, message):
    with pytest.raises(VocoError, match=message):
        read(world.write(tmp_path / "a"), tower, **options)
