"""Importing weights: LLaVA-1.5 and reference VoCo-LLaMA checkpoints from a local folder, as our model.

Nothing is downloaded and no pickle is loaded. Every key of a checkpoint is used, is known and not needed,
or is a reason to refuse it.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer

from voco_model.config import VocoConfig
from voco_model.errors import VocoError
from voco_model.importing.keys import COMPRESSOR, Match, grouped, match, neutral
from voco_model.importing.options import (
    EMBEDDINGS,
    CheckpointKind,
    check_readable,
    find_tower,
    kind_of,
    newline_of,
    voco_config,
)
from voco_model.importing.source import Weights, read_json
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import add_voco_token

__all__ = ["CheckpointKind", "Imported", "import_checkpoint"]

TOKENIZER_FILES = (
    "tokenizer.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


@dataclass(frozen=True)
class Imported:
    """A model that was read from a checkpoint, and the account of its keys."""

    model: VocoForConditionalGeneration
    kind: CheckpointKind
    source: Path
    used: list[str]
    """The checkpoint's keys that the model has now."""
    unused: dict[str, str]
    """The keys that are known and not needed, each with the reason."""
    newline: str
    """Who named the tokens that close an image's vision tokens."""
    tower: Path
    """The folder that the vision weights came from."""

    def report(self) -> str:
        """What was read, which options were set and which keys were used, layers taken together."""
        lines = [
            f"{self.kind} checkpoint {self.source}: {self._options()}",
            f"vision tower from {self.tower}",
        ]
        lines += [f"used {len(self.used)} keys:", *(f"  {name}" for name in grouped(self.used))]
        if self.unused:
            lines += [f"knew {len(self.unused)} more keys and did not use them:"]
        if self.processor() is None:
            lines += [
                "no tokenizer could be read here, so no processor is saved; put a tokenizer.json beside the"
                " weights and import again, or save a VocoProcessor into the folder"
            ]
        for reason in dict.fromkeys(self.unused.values()):
            names = grouped(name for name, why in self.unused.items() if why == reason)
            lines += [f"  {name}: {reason}" for name in names]
        return "\n".join(lines)

    def _options(self) -> str:
        config = self.model.config
        if config.compressor == "none":
            return "no VoCo tokens; text reads the vision tokens causally"
        rows = "one shared embedding" if config.voco_embedding == "shared" else "an embedding each"
        prefix = "seen by" if config.prefix_visible else "hidden from"
        closing = f"; newline {config.vision_suffix_ids} {self.newline}" if config.vision_suffix_ids else ""
        return f"N = {config.n_voco} with {rows}, prefix {prefix} text, {config.positions} positions{closing}"

    def save(self, out: Path | str) -> None:
        """Write the model and the checkpoint's tokenizer as a folder, which appears when it is whole."""
        out = Path(out)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise VocoError(f"{out} exists and is not an empty folder; give another, or remove it")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent) as beside:
            whole = Path(beside) / "whole"
            self.model.save_pretrained(whole)
            for name in TOKENIZER_FILES:
                if (self.source / name).is_file():
                    shutil.copyfile(self.source / name, whole / name)
            processor = self.processor()
            if processor is not None:
                processor.save_pretrained(whole)
            whole.replace(out)

    def processor(self) -> VocoProcessor | None:
        """The processor that goes with the model, or nothing where the checkpoint's tokenizer cannot be read."""
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.source, local_files_only=True)
        except (OSError, ValueError, ImportError, KeyError):
            return None
        add_voco_token(tokenizer)
        aspect = "pad" if read_json(self.source / "config.json").get("image_aspect_ratio") == "pad" else "square"
        return VocoProcessor.for_model(self.model.config, tokenizer, template="voco", aspect=aspect)


def import_checkpoint(
    source: Path | str,
    *,
    vision_tower: Path | str | None = None,
    n_voco: int | None = None,
    kind: CheckpointKind = "auto",
    newline_ids: list[int] | None = None,
    dtype: torch.dtype | None = None,
) -> Imported:
    """Read a LLaVA-1.5 or reference VoCo-LLaMA checkpoint; VocoError says what is missing or odd in it.

    vision_tower: the folder of a CLIP, for a checkpoint that has none inside or does not tell its size.
    n_voco: VoCo tokens an image, by default 2; LLaVA has none, and if given they start as its mean embedding.
    kind: "llava" or "voco" where the number of embeddings does not tell.
    newline_ids: the tokens between vision and VoCo tokens, by default what the tokenizer makes of a newline.
    dtype: of the weights, by default the checkpoint's own.
    """
    folder = Path(source)
    if not folder.is_dir():
        raise VocoError(f"{folder} is not a folder; nothing is downloaded, give a local checkpoint folder")
    path = folder / "config.json"
    raw = read_json(path)
    check_readable(raw, path)
    weights = Weights(folder)
    tower = find_tower(raw, weights, None if vision_tower is None else Path(vision_tower))
    rows = next(iter(weights.shape(EMBEDDINGS)), 0) if EMBEDDINGS in weights else raw["vocab_size"]
    kind = kind_of(kind, rows)
    newline, origin = newline_of(kind, folder, newline_ids, rows)
    config = voco_config(raw, path, tower.config, kind, rows, n_voco, newline)
    matched = match(config, weights, tower)
    model = _filled(config, matched, dtype)
    used = [name for _, name in matched.found.values()]
    return Imported(model, kind, folder, used, matched.unused, origin, tower.weights.folder)


def _filled(config: VocoConfig, matched: Match, dtype: torch.dtype | None) -> VocoForConditionalGeneration:
    """The model around the checkpoint's own tensors, which are in memory once; nothing is drawn at random."""
    embeddings = matched.found[f"language_model.{EMBEDDINGS}"]
    dtype = dtype or embeddings[0].tensor(EMBEDDINGS).dtype
    state = {target: source.tensor(name).to(dtype) for target, (source, name) in matched.found.items()}
    state |= neutral(state)
    if config.compressor == "voco":
        state[COMPRESSOR] = _voco_rows(config, state[f"language_model.{EMBEDDINGS}"])
    # Also makes the buffers that no checkpoint holds, such as the rotary frequencies, and ties what is tied.
    return VocoForConditionalGeneration.from_pretrained(None, config=config, state_dict=state, dtype=dtype)


def _voco_rows(config: VocoConfig, embeddings: Tensor) -> Tensor:
    if config.voco_embedding == "shared":
        return embeddings[-1:].clone()
    return embeddings.float().mean(0).to(embeddings.dtype).repeat(config.n_voco, 1)
