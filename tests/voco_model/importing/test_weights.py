"""Every key is accounted for; weights that are missing, odd, damaged or pickled are refused."""

import json
import shlex
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.voco_model.importing.checkpoints import INLINE, NEWLINE, World, close, our_logits, pixels, read
from voco_model.errors import VocoError


def test_a_tied_head_that_differs_is_refused(tower, tmp_path):
    world = World(tied=True)
    head = {"lm_head.weight": world.llama.lm_head.weight.data.clone()}
    same = read(world.write(tmp_path / "same", weights=world.weights() | head), tower)
    assert same.unused["lm_head.weight"] == "the same as the embeddings"
    head["lm_head.weight"][0] += 1
    with pytest.raises(VocoError, match=r"1 odd: lm_head\.weight"):
        read(world.write(tmp_path / "other", weights=world.weights() | head), tower)


def test_every_key_is_accounted_for(world, imported):
    assert not set(imported.used) & set(imported.unused)
    assert set(imported.used) | set(imported.unused) == set(world.weights())
    reasons = {key.removeprefix(INLINE).split(".self_attn.q")[0]: why for key, why in imported.unused.items()}
    assert reasons["post_layernorm.weight"] == "stands after the tower's layer that is read"
    assert reasons["encoder.layers.2"] == "a layer of the tower above the one that is read"
    assert reasons["embeddings.position_ids"] == "computed from the configuration"


def test_the_report_takes_layers_together(imported):
    report = imported.report()
    assert "model.layers.{0..1}.self_attn.q_proj.weight (2)" in report
    assert "N = 2 with one shared embedding, prefix hidden from text, layout positions; newline [5, 6]" in report
    assert "encoder.layers.2.layer_norm1.bias: a layer of the tower above the one that is read" in report


def test_missing_misshapen_and_odd_keys_are_listed(world, tower, tmp_path):
    weights = world.weights()
    del weights["model.norm.weight"], weights[INLINE + "pre_layrnorm.bias"]
    weights["model.mm_projector.0.weight"] = torch.zeros(24, 17)
    weights["model.image_newline"] = torch.zeros(24)
    with pytest.raises(VocoError) as caught:
        read(world.write(tmp_path / "a", weights=weights), tower)
    message = str(caught.value)
    assert "2 missing: model.norm.weight, " + INLINE + "pre_layrnorm.bias" in message
    assert "1 of another shape: model.mm_projector.0.weight is (24, 17), not (24, 16)" in message
    assert "1 odd: model.image_newline" in message
    assert "\n" not in message


def test_long_lists_are_cut_and_names_kept_on_one_line(world, tower, tmp_path):
    weights = world.weights() | {f"extra\n{n:02}": torch.zeros(1) for n in range(14)}
    with pytest.raises(VocoError, match=r"14 odd: 'extra\\n00', .*'extra\\n09' and more$"):
        read(world.write(tmp_path / "a", weights=weights), tower)


def test_missing_embeddings_and_a_wrong_vocabulary(tower, tmp_path):
    world = World()
    weights = world.weights()
    del weights["model.embed_tokens.weight"]
    with pytest.raises(VocoError, match=r"1 missing: model\.embed_tokens\.weight"):
        read(world.write(tmp_path / "a", weights=weights), tower)
    world.config["vocab_size"] = 40
    with pytest.raises(VocoError, match=r"model\.embed_tokens\.weight is \(41, 24\), not \(40, 24\)"):
        read(world.write(tmp_path / "b"), tower)


def test_pickle_is_refused_with_a_command_that_converts_it(world, tower, tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(world.config))
    names = list(world.weights())
    for part, some in enumerate((names[::2], names[1::2]), 1):
        torch.save({k: world.weights()[k] for k in some}, folder / f"pytorch_model-0000{part}-of-00002.bin")
    (folder / "training_args.bin").write_bytes(b"no weights")
    with pytest.raises(VocoError, match=r"pickle .* never loaded") as caught:
        read(folder, tower)
    assert "\n" not in str(caught.value)
    command = shlex.split(str(caught.value).split("can do no harm: ")[1])
    assert command[0] == "python"
    subprocess.run([sys.executable, *command[1:]], check=True)
    close(our_logits(read(folder, tower).model, "two_phase", 2), world.text_logits(pixels(), 2, NEWLINE))


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_other_pickles_are_refused_too(world, tower, tmp_path, suffix):
    (tmp_path / "config.json").write_text(json.dumps(world.config))
    (tmp_path / f"weights{suffix}").write_bytes(b"")
    with pytest.raises(VocoError, match=f"pickle .weights{suffix}."):
        read(tmp_path, tower)


@pytest.mark.parametrize("shard", ["../x.safetensors", "/x.safetensors", "..", "sub/x", "sub\\x", "absent", ""])
def test_an_index_names_files_beside_it(world, tower, tmp_path, shard):
    folder = world.write(tmp_path / "a", shards=2)
    save_file({"w": torch.zeros(1)}, tmp_path / "x.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"model.norm.weight": shard}}))
    with pytest.raises(VocoError, match=r"index\.json names .*(not a file beside|missing)"):
        read(folder, tower)


def test_two_shards_with_one_name_are_refused(world, tower, tmp_path):
    folder = world.write(tmp_path / "a", shards=2)
    shard = folder / "model-00002-of-00002.safetensors"
    save_file(load_file(shard) | load_file(folder / "model-00001-of-00002.safetensors"), shard)
    with pytest.raises(VocoError, match="which another shard has too"):
        read(folder, tower)


@pytest.mark.parametrize("index", ["[]", "{}", '{"weight_map": []}', "{", '{"weight_map": {}}'])
def test_a_damaged_index(world, tower, tmp_path, index):
    folder = world.write(tmp_path / "a", shards=2)
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(VocoError, match=r"model\.safetensors\.index\.json"):
        read(folder, tower)


@pytest.mark.parametrize("keep", [0, 20, -8])
def test_damaged_safetensors(world, tower, tmp_path, keep):
    path = world.write(tmp_path / "a") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(VocoError, match=r"model\.safetensors is damaged"):
        read(path.parent, tower)


def test_quantised_weights_are_refused(world, tower, tmp_path):
    weights = world.weights() | {"model.norm.weight": torch.ones(24, dtype=torch.int8)}
    with pytest.raises(VocoError, match=r"model\.norm\.weight is torch\.int8; quantised"):
        read(world.write(tmp_path / "a", weights=weights), tower)
