"""Fake checkpoints in the reference's layouts, and a plain computation of what they compute."""

import json

import torch
from safetensors.torch import save_file
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

from voco_model.importing import import_checkpoint
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


def read(folder, tower, **options):
    return import_checkpoint(folder, **{"vision_tower": tower, "kind": "voco", "newline_ids": NEWLINE} | options)


def write_tokenizer(folder):
    """Byte fallback and a leading space, as Llama's own: a newline is two tokens."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, **{f"<0x{i:02X}>": 4 + i for i in range(256)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
