"""The configuration of a VoCo model, and the presets by name."""

from dataclasses import field
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, CLIPVisionConfig, LlamaConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from voco_model.errors import VocoError

MAX_VOCO_TOKENS = 1024
STATIC_ROPE = ("default", "linear", "llama3", "yarn")
"""Rotary schemes whose frequencies do not change with the length, so that cached keys can be moved."""


@strict
class VocoConfig(PreTrainedConfig):
    """What a checkpoint needs to be read again exactly as it was trained. Unknown keys are refused."""

    model_type = "voco"
    sub_configs_defaults = {  # noqa: RUF012 - the base class declares it so
        "vision_config": SubConfigSpec(config_class=AutoConfig, model_type="clip_vision_model"),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
        "qformer_config": SubConfigSpec(config_class=AutoConfig, model_type="blip_2_qformer", optional=True),
    }

    vision_config: Any = None
    """The CLIP-like tower, as its own Hugging Face configuration."""
    text_config: Any = None
    """The causal decoder, as its own Hugging Face configuration."""
    qformer_config: Any = None
    """The Q-Former of the `qformer` baseline; None gives a small default one."""

    n_voco: int = 1
    """VoCo tokens per image; a model trained at this N answers with fewer too."""
    voco_token_id: int | None = None
    """The token's id in the tokenizer; None where the tokenizer has none yet."""
    voco_embedding: Literal["each", "shared"] = "each"
    """One embedding for each of the N tokens, or one for all (as the reference has it)."""
    positions: Literal["layout", "compact"] = "compact"
    """How positions are numbered; see `voco_model.positions`."""
    prefix_visible: bool = True
    """Whether text sees the prefix; the reference hides it."""
    compressor: Literal["voco", "avgpool", "qformer", "none"] = "voco"
    """What fills the VoCo places: learned tokens, the mean feature, Q-Former queries; or no such places."""
    reading: Literal["rule", "causal"] = "rule"
    """How text reads: through the rule, or causally with all vision tokens in sight (the upper bound)."""
    projector: Literal["linear", "mlp2x_gelu"] = "mlp2x_gelu"
    """From the tower's features to the decoder's embeddings."""
    vision_feature_layer: int = -2
    """The tower's hidden state that is read: -1 is after the last layer, -2 before it."""
    vision_feature_select_strategy: Literal["default", "full"] = "default"
    """Patches only, or the class token too."""
    vision_suffix_ids: list[int] = field(default_factory=list)
    """Text tokens that close an image's vision tokens (the reference has a newline there)."""

    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        unknown = sorted(set(kwargs) - _BASE_KEYS - _default_generation_keys())
        if unknown:
            known = ", ".join(sorted(VocoConfig.__annotations__))
            raise VocoError(f"unknown key {', '.join(unknown)} in the VoCo configuration; known keys: {known}")
        super().__post_init__(**kwargs)
        self.tie_word_embeddings = bool(self.text_config.tie_word_embeddings)
        self._check()

    def _check(self) -> None:
        if not 0 <= self.n_voco <= MAX_VOCO_TOKENS or (self.n_voco == 0) != (self.compressor == "none"):
            allowed = "0" if self.compressor == "none" else f"1 to {MAX_VOCO_TOKENS}"
            raise VocoError(f"n_voco is {self.n_voco}; compressor '{self.compressor}' takes {allowed}")
        if self.compressor == "avgpool" and self.n_voco != 1:
            raise VocoError(f"n_voco is {self.n_voco}; compressor 'avgpool' gives one token, set n_voco to 1")
        if self.compressor == "none" and self.reading != "causal":
            raise VocoError("compressor 'none' has nothing that text could read by rule; set reading to 'causal'")
        depth = self.vision_config.num_hidden_layers
        if not -depth - 1 <= self.vision_feature_layer <= depth:
            raise VocoError(f"vision_feature_layer is {self.vision_feature_layer}; the tower has {depth} layers")
        rope = (getattr(self.text_config, "rope_parameters", None) or {}).get("rope_type", "default")
        if rope not in STATIC_ROPE:
            raise VocoError(
                f"rope_type '{rope}' changes its frequencies with the length, so cached keys could not be"
                f" moved; choose one of {', '.join(STATIC_ROPE)}"
            )

    @property
    def vision_depth(self) -> int:
        """How many layers of the tower are needed for the feature layer."""
        depth = self.vision_config.num_hidden_layers
        layer = self.vision_feature_layer
        return layer if layer >= 0 else depth + 1 + layer

    @property
    def n_patches(self) -> int:
        """Patches of one image."""
        return (self.vision_config.image_size // self.vision_config.patch_size) ** 2

    @property
    def n_vision(self) -> int:
        """Vision positions of one image in the sequence; none where an external compressor stands before it."""
        if self.compressor in ("avgpool", "qformer"):
            return 0
        class_token = (
            self.vision_feature_select_strategy == "full" and self.vision_config.model_type == "clip_vision_model"
        )
        return self.n_patches + class_token + len(self.vision_suffix_ids)

    @property
    def window(self) -> int:
        """The longest extent of positions that the decoder reads without masking any of it away."""
        sliding = getattr(self.text_config, "sliding_window", None)
        uses = getattr(self.text_config, "use_sliding_window", True)
        longest = self.text_config.max_position_embeddings
        return min(longest, sliding) if sliding and uses else longest


_BASE_KEYS = {
    "torch_dtype", "num_labels", "name_or_path", "_name_or_path", "attn_implementation", "output_attentions",
    "experts_implementation", "per_layer_config", "_commit_hash", "model_type",
    "_attn_implementation_internal", "_experts_implementation_internal", "_attn_implementation",
    "is_llama_config", "rope_interleaved",
}  # fmt: skip
"""Keys that the base class itself takes beside its fields."""


def _default_generation_keys() -> set[str]:
    from transformers import GenerationConfig

    return set(GenerationConfig._get_default_generation_params())


def _clip_large(image_size: int) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        patch_size=14,
        image_size=image_size,
        projection_dim=768,
    )


def _llava_7b(image_size: int) -> dict[str, Any]:
    vicuna = LlamaConfig(
        vocab_size=32001,
        hidden_size=4096,
        intermediate_size=11008,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=32,
        max_position_embeddings=4096,
        rms_norm_eps=1e-5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return {"vision_config": _clip_large(image_size), "text_config": vicuna, "voco_token_id": 32000}


def _tiny() -> dict[str, Any]:
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        patch_size=8,
        image_size=32,
    )
    text = LlamaConfig(
        vocab_size=264,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=16384,
        bos_token_id=256,
        eos_token_id=257,
        pad_token_id=258,
    )
    return {"vision_config": vision, "text_config": text, "n_voco": 4, "voco_token_id": 259}


def _small() -> dict[str, Any]:
    vision = CLIPVisionConfig(
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=4,
        patch_size=14,
        image_size=336,
    )
    # 7B's proportions: its head size, so that cache sizes compare, and its vocabulary.
    text = LlamaConfig(
        vocab_size=32001,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=8,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return {"vision_config": vision, "text_config": text, "voco_token_id": 32000}


_PRESETS = {
    "tiny": _tiny,
    "small": _small,
    "llava-7b-336": lambda: _llava_7b(336),
    "llava-7b-224": lambda: _llava_7b(224),
}
PRESETS = tuple(_PRESETS)


def preset(name: str, **overrides: Any) -> VocoConfig:
    """The configuration of that name, with any of its keys overridden."""
    if name not in _PRESETS:
        raise VocoError(f"unknown preset '{name}'; there are {', '.join(PRESETS)}")
    return VocoConfig(**(_PRESETS[name]() | overrides))
