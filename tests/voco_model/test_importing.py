"""Importing weights: fake checkpoints in the reference's layouts, held to a plain computation of the same."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers
from torch import nn
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from voco_model.config import preset
from voco_model.errors import VocoError
from voco_model.importing import import_checkpoint
from voco_model.model import VocoForConditionalGeneration
from voco_model.segments import NO_IMAGE, Kind

INLINE = "model.vision_tower.vision_tower.vision_model."
NEWLINE = [5, 6]
TEXT = [7, 8, 9, 10, 11]
BOS = 1


class World:
    """The parts of a checkpoint as plain transformers modules, and the ways to write them down."""

    def __init__(self, rows=41, projector="mlp2x_gelu", tied=False, **config):
        torch.manual_seed(0)
        self.clip_config = CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=2,
            patch_size=4,
            image_size=8,
        )
        self.llama_config = LlamaConfig(
            vocab_size=rows, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, rms_norm_eps=1e-5, bos_token_id=BOS, tie_word_embeddings=tied,
            attn_implementation="eager",
        )  # fmt: skip
        self.clip = CLIPVisionModel(self.clip_config).eval()
        self.llama = LlamaForCausalLM(self.llama_config).eval()
        two = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 24))
        self.projector = nn.Linear(16, 24) if projector == "linear" else two
        for module in (self.clip, self.llama, self.projector):
            for parameter in module.parameters():
                parameter.data.add_(torch.randn_like(parameter) * 0.1)
        mm = {
            "model_type": "llava_llama",
            "architectures": ["LlavaLlamaForCausalLM"],
            "mm_vision_tower": "openai/clip-vit-tiny",
            "mm_projector_type": projector,
            "mm_hidden_size": 16,
            "mm_vision_select_layer": -2,
            "mm_vision_select_feature": "patch",
            "mm_use_im_start_end": False,
            "image_aspect_ratio": "pad",
            "rope_scaling": None,
            "rope_theta": 10000.0,
            "max_length": 4096,
        }
        old = self.llama_config.to_dict()
        del old["rope_parameters"]
        self.config = old | mm | config

    def weights(self, inline=True):
        state = dict(self.llama.state_dict())
        if self.llama_config.tie_word_embeddings:
            del state["lm_head.weight"]
        state |= {f"model.mm_projector.{k}": v for k, v in self.projector.state_dict().items()}
        state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(3)
        if inline:
            state |= {INLINE + k: v for k, v in self.clip.state_dict().items()}
            state[INLINE + "embeddings.position_ids"] = torch.arange(5)[None]
        return {k: v.clone() for k, v in state.items()}

    def write(self, folder, inline=True, shards=1, weights=None):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config))
        weights = self.weights(inline) if weights is None else weights
        if shards == 1:
            save_file(weights, folder / "model.safetensors")
            return folder
        where = {name: f"model-{n % shards + 1:05}-of-{shards:05}.safetensors" for n, name in enumerate(weights)}
        for shard in set(where.values()):
            save_file({k: v for k, v in weights.items() if where[k] == shard}, folder / shard)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
        return folder

    def write_clip(self, folder, layout="clip"):
        """The tower as a folder of its own: a whole CLIP, or its vision half in the older or newer naming."""
        folder.mkdir()
        state = {k: v.clone() for k, v in self.clip.state_dict().items()}
        if layout == "clip":
            text = {
                "hidden_size": 8,
                "intermediate_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
            }
            config = CLIPConfig(vision_config=self.clip_config.to_dict(), text_config=text | {"vocab_size": 49408})
            whole = CLIPModel(config).state_dict()
            state = {k: v for k, v in whole.items() if not k.startswith("vision_model.")} | {
                f"vision_model.{k}": v for k, v in state.items()
            }
        else:
            config = self.clip_config
            state = {("vision_model." if layout == "older" else "") + k: v for k, v in state.items()}
        (folder / "config.json").write_text(config.to_json_string(use_diff=False))
        save_file(state, folder / "model.safetensors")
        return folder

    @torch.no_grad()
    def features(self, pixels, whole=False):
        hidden = self.clip(pixels, output_hidden_states=True).hidden_states[-2]
        return self.projector(hidden if whole else hidden[:, 1:])

    @torch.no_grad()
    def text_logits(self, pixels, n_voco, newline, whole=False):
        """The reference's sequence under the reference's mask, with nothing of ours."""
        embed = self.llama.get_input_embeddings()
        voco = [self.llama_config.vocab_size - 1] * n_voco
        ids = torch.tensor([newline + voco + TEXT])
        embeds = torch.cat([embed(torch.tensor([[BOS]])), self.features(pixels, whole), embed(ids)], 1)
        length = embeds.shape[1]
        sees = torch.ones(length, length, dtype=torch.bool).tril()
        if n_voco:
            first = length - len(TEXT) - n_voco
            sees[length - len(TEXT) :, :first] = False
        mask = torch.zeros(length, length).masked_fill(~sees, torch.finfo(torch.float32).min)
        out = self.llama(
            inputs_embeds=embeds, attention_mask=mask[None, None], position_ids=torch.arange(length)[None]
        )
        return out.logits[0, -len(TEXT) :]


def pixels(n=1):
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def our_logits(model, mode, n_voco):
    n_vision = model.config.n_vision
    ids = [BOS] + [0] * (n_vision + n_voco) + TEXT
    kinds = [Kind.PREFIX] + [Kind.VISION] * n_vision + [Kind.VOCO] * n_voco + [Kind.TEXT] * len(TEXT)
    images = [NO_IMAGE] + [0] * (n_vision + n_voco) + [NO_IMAGE] * len(TEXT)
    kinds = torch.tensor([kinds])
    return model(
        input_ids=torch.tensor([ids]),
        kinds=kinds,
        images=torch.tensor([images]),
        pixel_values=pixels(),
        logits_at=kinds == Kind.TEXT,
        mode=mode,
    ).logits


def close(ours, reference):
    assert reference.abs().max() > 0.1
    torch.testing.assert_close(ours, reference, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def tower(world, tmp_path_factory):
    return world.write_clip(tmp_path_factory.mktemp("clip") / "clip")


def read(folder, tower, **options):
    return import_checkpoint(folder, **{"vision_tower": tower, "kind": "voco", "newline_ids": NEWLINE} | options)


@pytest.fixture(scope="module")
def imported(world, tower, tmp_path_factory):
    return read(world.write(tmp_path_factory.mktemp("voco") / "voco"), tower)


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


def test_a_tied_head_that_differs_is_refused(tower, tmp_path):
    world = World(tied=True)
    head = {"lm_head.weight": world.llama.lm_head.weight.data.clone()}
    same = read(world.write(tmp_path / "same", weights=world.weights() | head), tower)
    assert same.unused["lm_head.weight"] == "the same as the embeddings"
    head["lm_head.weight"][0] += 1
    with pytest.raises(VocoError, match=r"1 odd: lm_head\.weight"):
        read(world.write(tmp_path / "other", weights=world.weights() | head), tower)


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


def write_tokenizer(folder):
    """Byte fallback and a leading space, as Llama's own: a newline is two tokens."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, **{f"<0x{i:02X}>": 4 + i for i in range(256)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))


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


def test_a_known_tower_is_known_by_name(tmp_path):
    world = World(mm_vision_tower="openai/clip-vit-large-patch14-336", mm_hidden_size=1024)
    with pytest.raises(VocoError, match=r"embeddings\.position_embedding\.weight is \(5, 16\), not \(577, 1024\)"):
        read(world.write(tmp_path / "a"), None)


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
