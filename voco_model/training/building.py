"""The model and processor that a recipe starts from, in the shape of its variant. Nothing is downloaded."""

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, CLIPImageProcessorPil
from transformers.utils import logging

from voco_model import digest
from voco_model.config import VocoConfig, preset
from voco_model.errors import VocoError
from voco_model.importing.source import Weights, described_by, read_json
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import add_voco_token, byte_tokenizer, voco_id
from voco_model.training.recipe import Recipe, Start
from voco_model.training.stages import check_order

HISTORY = "training.json"
"""In a model's folder: the stages that it has been through."""
COMPRESSORS = {"voco": "voco", "upper": "voco", "avgpool": "avgpool", "qformer": "qformer"}
EMBEDDINGS = "language_model.model.embed_tokens.weight"
HEAD = "language_model.lm_head.weight"
VOCO_ROWS = "compressor.embedding.weight"
MAY_BE_NEW = ("projector.", "compressor.")
SPREAD = 0.1
"""How far new VoCo embeddings lie from the mean of their kind, in standard deviations of the tokens'."""


@dataclass
class Source:
    """What a start gives: a configuration, weights by our names, and how text and pictures are prepared."""

    config: VocoConfig
    weights: dict[str, Tensor]
    tokenizer: Any
    pictures: CLIPImageProcessorPil | None = None
    template: str = "voco"
    aspect: str = "pad"
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Built:
    """A model ready to be trained."""

    model: VocoForConditionalGeneration
    processor: VocoProcessor
    history: list[dict[str, Any]]
    """The stages that its weights have been through, oldest first."""
    drawn: list[str]
    """Parts whose weights are new, drawn from the seed."""
    parent: str | None
    """The digest of the model that it comes from; None where all weights are new."""


def build(recipe: Recipe) -> Built:
    """The model of the recipe's variant, from its start; what has no weights there is drawn from the seed."""
    start = recipe.start
    source = _source(start)
    check_order(recipe, source.history)
    config = config_for(source.config, recipe, voco_id(source.tokenizer))
    chance = torch.Generator().manual_seed(recipe.seed)
    weights, drawn = _fitting(source, config, start, chance)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = _made(config, weights)
    processor = VocoProcessor.for_model(
        config, source.tokenizer, template=start.template or source.template, aspect=source.aspect
    )
    if source.pictures is not None:
        processor.image_processor = source.pictures
    return Built(model, processor, source.history, drawn, _parent(source))


def _source(start: Start) -> Source:
    if start.checkpoint is not None:
        return _from_checkpoint(start.checkpoint)
    if start.preset is not None:
        return Source(preset(start.preset), {}, byte_tokenizer())
    assert start.vision is not None
    assert start.language is not None
    return _from_bases(start.vision, start.language)


def _from_checkpoint(folder: Path) -> Source:
    path = folder / "config.json"
    raw = read_json(path)
    if raw.get("model_type") != VocoConfig.model_type:
        raise VocoError(
            f"{path}: model_type is {raw.get('model_type')!r}, not a VoCo model's; give start.vision and"
            " start.language for base models, or import the checkpoint with `voco import-checkpoint`"
        )
    with described_by(path):
        config = VocoConfig.from_pretrained(folder, local_files_only=True)
        processor = VocoProcessor.from_pretrained(folder, local_files_only=True)
    weights = Weights(folder)
    return Source(
        config,
        {name: weights.tensor(name) for name in weights},
        processor.tokenizer,
        processor.image_processor,
        processor.template,
        processor.aspect,
        history_of(folder),
    )


def _from_bases(vision: Path, language: Path) -> Source:
    """A vision tower and a language model as Hugging Face saves them; the VoCo token is added to the tokenizer."""
    tower, text = base_configs(vision, language)
    with described_by(language / "config.json"):
        tokenizer = AutoTokenizer.from_pretrained(language, local_files_only=True)
    own = {f"language_model.{name}": tensor for name, tensor in _tensors(language).items()}
    if EMBEDDINGS not in own:
        raise VocoError(f"{language}: has no {EMBEDDINGS.removeprefix('language_model.')}; give a causal decoder")
    add_voco_token(tokenizer)
    text.vocab_size = max(len(tokenizer), own[EMBEDDINGS].shape[0])
    for name in (EMBEDDINGS, HEAD):
        if name in own:
            own[name] = _lengthened(own[name], text.vocab_size)
    config = VocoConfig(vision_config=tower, text_config=text)
    return Source(config, own | _tower(vision), tokenizer, _pictures(vision, config))


def base_configs(vision: Path, language: Path) -> tuple[Any, Any]:
    """The configurations of a vision tower, also of one inside a CLIP, and of a language model."""
    from transformers import AutoConfig

    for folder in (vision, language):
        read_json(folder / "config.json")
    with described_by(vision / "config.json"):
        tower = AutoConfig.from_pretrained(vision, local_files_only=True)
    with described_by(language / "config.json"):
        text = AutoConfig.from_pretrained(language, local_files_only=True)
    found = getattr(tower, "vision_config", tower), text
    for config in found:
        config.name_or_path = ""  # a path of this machine, which would be saved with every model made from it
    return found


def history_of(folder: Path) -> list[dict[str, Any]]:
    """The stages that a checkpoint has been through, oldest first; none are known of an imported one."""
    return read_json(folder / HISTORY)["stages"] if (folder / HISTORY).is_file() else []


def _tensors(folder: Path) -> dict[str, Tensor]:
    weights = Weights(folder)
    return {name: weights.tensor(name) for name in weights}


def _tower(folder: Path) -> dict[str, Tensor]:
    """A CLIP's vision weights by our names; older files have a prefix, and whole CLIPs a text side."""
    tensors = _tensors(folder)
    older = "vision_model."
    if any(name.startswith(older) for name in tensors):
        tensors = {n.removeprefix(older): t for n, t in tensors.items() if n.startswith(older)}
    return {f"vision_tower.tower.{name}": tensor for name, tensor in tensors.items()}


def _pictures(folder: Path, config: VocoConfig) -> CLIPImageProcessorPil | None:
    """The tower's own mean and spread of colours; pictures come to it as squares of its size."""
    if not (folder / "preprocessor_config.json").is_file():
        return None
    side = config.vision_config.image_size
    with described_by(folder / "preprocessor_config.json"):
        return CLIPImageProcessorPil.from_pretrained(
            folder, size={"height": side, "width": side}, do_resize=False, do_center_crop=False
        )


def _lengthened(rows: Tensor, n: int) -> Tensor:
    """New tokens begin as the mean of the others."""
    more = n - rows.shape[0]
    if more <= 0:
        return rows
    return torch.cat([rows, rows.float().mean(0, keepdim=True).to(rows.dtype).expand(more, -1)])


def config_for(old: VocoConfig, recipe: Recipe, voco_token_id: int | None) -> VocoConfig:
    """The start's configuration with the variant's compressor and reading, and the recipe's options."""
    start = recipe.start
    own = {key: getattr(old, key) for key in VocoConfig.__annotations__}
    n_voco = start.n_voco or (1 if recipe.variant == "avgpool" else max(1, old.n_voco))
    variant = {
        "compressor": COMPRESSORS[recipe.variant],
        "reading": "causal" if recipe.variant == "upper" else "rule",
        "n_voco": n_voco,
        "voco_token_id": voco_token_id,
    }
    if clash := sorted(variant.keys() & start.options.keys()):
        raise VocoError(f"start.options sets {clash[0]}; that is said by variant and start.n_voco")
    with described_by(Path("start.options")):
        return VocoConfig(**copy.deepcopy(own) | start.options | variant)


def _fitting(
    source: Source, config: VocoConfig, start: Start, chance: torch.Generator
) -> tuple[dict[str, Tensor], list[str]]:
    """The weights that the model takes, and the names of parts that have none and are drawn."""
    with torch.device("meta"):
        wanted = {n: t.shape for n, t in VocoForConditionalGeneration(config).state_dict().items()}
    if not source.weights:
        return {}, ["all"]
    have = dict(source.weights)
    new_rows = VOCO_ROWS in wanted and VOCO_ROWS not in have
    if VOCO_ROWS in wanted:
        have[VOCO_ROWS] = _voco_rows(have.get(VOCO_ROWS), have[EMBEDDINGS], wanted[VOCO_ROWS][0], chance)
    fitting = {n: t.float() for n, t in have.items() if n in wanted and t.shape == wanted[n]}
    missing = [n for n in wanted if n not in fitting and not (n == HEAD and config.tie_word_embeddings)]
    if lost := [name for name in missing if not name.startswith(MAY_BE_NEW) and not _unread(name)]:
        found = f"is {tuple(have[lost[0]].shape)}" if lost[0] in have else "is missing"
        where = start.checkpoint or f"{start.vision} and {start.language}"
        raise VocoError(f"{where}: {lost[0]} {found}, not {tuple(wanted[lost[0]])}; is it another model's folder?")
    drawn = {name.split(".")[0] for name in missing if name.startswith(MAY_BE_NEW)}
    return fitting, sorted(drawn | ({"compressor"} if new_rows else set()))


def _unread(name: str) -> bool:
    """A weight after the tower's last layer, whose output nobody reads."""
    return ".post_layernorm." in name


def _voco_rows(old: Tensor | None, tokens: Tensor, n: int, chance: torch.Generator) -> Tensor:
    """Embeddings of the VoCo tokens: those there are, and new ones near the mean of their kind."""
    tokens = tokens.float()
    known = tokens[:0] if old is None or old.dim() != tokens.dim() else old.float()[:n]
    centre = (known if len(known) else tokens).mean(0)
    noise = torch.randn(n - len(known), tokens.shape[1], generator=chance)
    return torch.cat([known, centre + SPREAD * tokens.std(0) * noise])


def _made(config: VocoConfig, weights: dict[str, Tensor]) -> VocoForConditionalGeneration:
    if not weights:
        return VocoForConditionalGeneration(config)
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # that some parts are new is known, and said in our own report
    try:
        return VocoForConditionalGeneration.from_pretrained(
            None, config=config, state_dict=weights, dtype=torch.float32
        )
    finally:
        logging.set_verbosity(level)


def _parent(source: Source) -> str | None:
    if source.history:
        return source.history[-1]["model"]
    if not source.weights:
        return None
    return digest.of_tensors(sorted(source.weights.items()), json.dumps(source.config.to_dict(), default=str))
