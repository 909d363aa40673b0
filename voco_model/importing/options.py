"""From a LLaVA configuration to ours: the decoder, the tower, and the options of the reference."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from transformers import AutoTokenizer, CLIPConfig, CLIPVisionConfig, LlamaConfig

from voco_model.config import VocoConfig, _clip_large
from voco_model.errors import VocoError
from voco_model.importing.source import Weights, described_by, read_json

CheckpointKind = Literal["auto", "llava", "voco"]
EMBEDDINGS = "model.embed_tokens.weight"
INLINE_TOWER = "model.vision_tower.vision_tower."
REFERENCE_N_VOCO = 2
"""The number of VoCo tokens that the published weights were trained with."""
LLAMA_NEWLINE = [29871, 13]
"""A newline that opens a chunk of text, in Llama's own vocabulary."""

_KIND_OF_ROWS: dict[int, CheckpointKind] = {32000: "llava", 32001: "voco"}
_FEATURES = {"patch": "default", "cls_patch": "full"}
_KNOWN_TOWERS = {"clip-vit-large-patch14-336": 336, "clip-vit-large-patch14": 224}
_LLAMA_KEYS = {*LlamaConfig.__annotations__, "rope_theta", "rope_scaling"}
_NEEDED = {
    "mm_vision_tower": str,
    "mm_projector_type": str,
    "mm_hidden_size": int,
    "mm_vision_select_layer": int,
    "vocab_size": int,
}
_READABLE = {
    "model_type": ("llava_llama", "llava"),
    "mm_projector_type": ("mlp2x_gelu", "linear"),
    "mm_vision_select_feature": (*_FEATURES, None),
    "mm_patch_merge_type": ("flat", None),
    "mm_use_im_start_end": (False, None),
    "mm_resampler_type": (None,),
}
"""Values beyond these change what stands in the sequence, in ways that our model has no option for."""


def check_readable(raw: dict[str, Any], path: Path) -> None:
    """Refuse a configuration that lacks what is needed, or asks for more than our model has."""
    for key, kind in _NEEDED.items():
        if not isinstance(raw.get(key), kind):
            found = f"is {raw[key]!r}" if key in raw else "is missing"
            raise VocoError(f"{path}: {key} {found}; give a checkpoint of LLaVA's own code, which has it")
    for key, values in _READABLE.items():
        if raw.get(key) not in values:
            choice = " or ".join(repr(v) for v in values if v is not None) or "nothing"
            raise VocoError(f"{path}: {key} is {raw.get(key)!r}; only {choice} can be read")


def kind_of(kind: CheckpointKind, rows: int) -> CheckpointKind:
    """The kind that was asked for, or the one that the number of embeddings tells."""
    if kind not in ("auto", "llava", "voco"):
        raise VocoError(f"kind '{kind}' is unknown; choose auto, llava or voco")
    if kind != "auto":
        return kind
    if rows not in _KIND_OF_ROWS:
        raise VocoError(
            f"{EMBEDDINGS} has {rows} rows, where LLaVA has 32000 and VoCo-LLaMA 32001;"
            " say which it is with kind 'llava' or 'voco' (a VoCo token is the last row)"
        )
    return _KIND_OF_ROWS[rows]


@dataclass(frozen=True)
class Tower:
    """Where the vision weights are: the folder that has them, and how their names begin."""

    config: CLIPVisionConfig
    weights: Weights
    prefix: str


def find_tower(raw: dict[str, Any], weights: Weights, apart: Path | None) -> Tower:
    """The tower inside the checkpoint; if there is none, the one in the folder apart."""
    name = raw["mm_vision_tower"]
    inline = any(key.startswith(INLINE_TOWER) for key in weights)
    if apart is None and not inline:
        raise VocoError(f"{weights.folder} has no vision tower inside; give {name!r} with --vision-tower FOLDER")
    config = _tower_config(apart) if apart is not None else _known_tower(name, weights.folder)
    if config.hidden_size != raw["mm_hidden_size"]:
        raise VocoError(
            f"{weights.folder / 'config.json'}: mm_hidden_size is {raw['mm_hidden_size']}, the tower"
            f" {str(apart or name)!r} is {config.hidden_size} wide; give its tower with --vision-tower FOLDER"
        )
    # A tower inside was trained with the rest, so it goes before one that lies apart.
    source, start = (weights, INLINE_TOWER) if inline or apart is None else (Weights(apart), "")
    older = start + "vision_model."
    return Tower(config, source, older if any(key.startswith(older) for key in source) else start)


def _known_tower(name: str, folder: Path) -> CLIPVisionConfig:
    short = name.rstrip("/").rsplit("/", 1)[-1]
    if short not in _KNOWN_TOWERS:
        raise VocoError(
            f"{folder / 'config.json'}: mm_vision_tower {name!r} says nothing of the tower's size;"
            " give a folder with its config.json by --vision-tower FOLDER"
        )
    return _clip_large(_KNOWN_TOWERS[short])


def _tower_config(folder: Path) -> CLIPVisionConfig:
    path = folder / "config.json"
    raw = read_json(path)
    if raw.get("model_type") not in ("clip", "clip_vision_model"):
        raise VocoError(f"{path}: model_type is {raw.get('model_type')!r}; --vision-tower takes a CLIP")
    with described_by(path):
        if raw["model_type"] == "clip":
            raw = CLIPConfig(**raw).vision_config.to_dict()
        return CLIPVisionConfig(**{k: v for k, v in raw.items() if k in CLIPVisionConfig.__annotations__})


def voco_config(
    raw: dict[str, Any],
    path: Path,
    tower: CLIPVisionConfig,
    kind: CheckpointKind,
    rows: int,
    n_voco: int | None,
    newline: list[int],
) -> VocoConfig:
    """Our configuration of the checkpoint."""
    with described_by(path):
        return VocoConfig(
            vision_config=tower,
            text_config=LlamaConfig(**{k: v for k, v in raw.items() if k in _LLAMA_KEYS}),
            projector=raw["mm_projector_type"],
            vision_feature_layer=raw["mm_vision_select_layer"],
            vision_feature_select_strategy=_FEATURES[raw.get("mm_vision_select_feature") or "patch"],
            vision_suffix_ids=newline,
            positions="layout",
            **(_reference(rows, n_voco) if kind == "voco" else _llava(n_voco)),
        )


def _reference(rows: int, n_voco: int | None) -> dict[str, Any]:
    return {
        "n_voco": REFERENCE_N_VOCO if n_voco is None else n_voco,
        "voco_token_id": rows - 1,
        "voco_embedding": "shared",
        "prefix_visible": False,
    }


def _llava(n_voco: int | None) -> dict[str, Any]:
    if not n_voco:
        return {"n_voco": 0, "compressor": "none", "reading": "causal"}
    return {"n_voco": n_voco}


def newline_of(kind: CheckpointKind, folder: Path, given: list[int] | None, rows: int) -> tuple[list[int], str]:
    """The tokens between the vision tokens and the VoCo tokens, and who says so."""
    if given is not None or kind == "llava":
        ids, origin = list(given or []), "as given"
    elif _tokenizer_is_readable(folder):
        ids, origin = _newline_by_tokenizer(folder), "by the folder's tokenizer"
    else:
        ids, origin = LLAMA_NEWLINE, "Llama's, as no tokenizer could be asked"
    if not all(0 <= token < rows for token in ids):
        raise VocoError(f"newline ids {ids} do not fit the {rows} rows of {EMBEDDINGS}; give newline_ids")
    return ids, origin


def _tokenizer_is_readable(folder: Path) -> bool:
    if (folder / "tokenizer.json").is_file():
        return True
    # transformers needs an optional package for this older file; Llama's newline is known without it.
    return (folder / "tokenizer.model").is_file() and importlib.util.find_spec("sentencepiece") is not None


def _newline_by_tokenizer(folder: Path) -> list[int]:
    try:
        # With a configuration of its own: the folder's names a model type that transformers does not know.
        tokenizer = AutoTokenizer.from_pretrained(
            folder, config=LlamaConfig(), local_files_only=True, trust_remote_code=False
        )
        return tokenizer.encode("\n", add_special_tokens=False)
    except Exception as error:  # the tokenizers library raises bare exceptions
        reason = " ".join(str(error).split())
        raise VocoError(f"{folder}: the tokenizer cannot be read: {reason}; give newline_ids") from error
