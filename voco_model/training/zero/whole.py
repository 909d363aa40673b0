"""The trained model out of ZeRO as an ordinary Hugging Face folder, held to the live one by its logits."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import save_file
from torch import Tensor

from voco_model.errors import VocoError
from voco_model.files import whole_file
from voco_model.segments import NO_IMAGE, Kind
from voco_model.training.zero.slices import shape_of

FILE_BYTES = 2 * 1024**3
"""Of one file of weights, and so of what rank 0 gathers at once."""
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
"""How far logits may lie apart, as a share of the largest: rounding, where kernels sum in another order."""


@dataclass(frozen=True)
class Saved:
    """A model that was written, read again and compared."""

    digest: str
    """Of the model read again; empty on the ranks that did not."""
    difference: float
    """Of its logits from the live model's, the greatest, as a share of the greatest logit."""


def save_model(engine: Any, folder: Path | None, file_bytes: int = FILE_BYTES) -> Saved:
    """Called by all ranks: the model, gathered parameter by parameter, as rank 0 writes it into its `folder`.

    The others give None. Rank 0 then loads it beside its share of the live model, and both read one picture.
    """
    _write(engine.module, folder, file_bytes)
    batch = _picture_and_text(engine.module)
    live = _logits(engine, batch)
    worst, digest = torch.zeros((), device=live.device), ""
    if folder is not None:
        with whole_models():
            saved = type(engine.module).from_pretrained(folder, local_files_only=True)
        digest = saved.digest()
        read = _logits(saved.to(live.device), batch)
        worst = (read.float() - live.float()).abs().max() / live.float().abs().max()
    torch.distributed.broadcast(worst, 0)
    most = TOLERANCES[engine.module.dtype]
    if not float(worst) <= most:
        raise VocoError(
            f"the saved model's logits differ from the live one's by {float(worst):.2g} of the largest; rounding"
            f" explains {most:g}. It is not kept: run again to save it from the last checkpoint"
        )
    return Saved(digest, float(worst))


def _write(model: Any, folder: Path | None, file_bytes: int) -> None:
    kept = model.state_dict().keys()
    stored: dict[str, Tensor] = {n: b for n, b in model.named_buffers() if n in kept} | dict(
        model.named_parameters()
    )
    shapes = {n: torch.empty(shape_of(t), dtype=t.dtype, device="meta") for n, t in stored.items()}
    plan = split_torch_state_dict_into_shards(shapes, max_shard_size=file_bytes)
    for file, names in plan.filename_to_tensors.items():
        held = {}
        for name in names:
            with _gathered(stored[name]) as whole:
                if folder is not None:
                    held[name] = whole.detach().to("cpu", copy=True)
        if folder is not None:
            with whole_file(folder / file) as temporary:
                save_file(held, temporary, metadata={"format": "pt"})
    if folder is not None:
        if plan.is_sharded:
            index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
        _describe(model, folder)


@contextmanager
def _gathered(tensor: Tensor) -> Iterator[Tensor]:
    """A parameter whole for a moment, on all ranks, where stage 3 has shared it out."""
    if not hasattr(tensor, "ds_id"):
        yield tensor
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters([tensor]):
        yield tensor


def _describe(model: Any, folder: Path) -> None:
    """The configuration as Hugging Face's own saving writes it."""
    model.config.dtype = str(model.dtype).removeprefix("torch.")
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    if model.generation_config is not None:
        model.generation_config.save_pretrained(folder)


def _picture_and_text(model: Any) -> dict[str, Tensor]:
    """A row that every part of the model reads: noise as a picture, compressed, and some text after it."""
    config, chance = model.config, torch.Generator().manual_seed(0)
    kinds = [Kind.VISION] * config.n_vision + [Kind.VOCO] * config.n_voco + [Kind.TEXT] * 8
    size = config.vision_config.image_size
    batch = {
        "input_ids": torch.randint(0, config.text_config.vocab_size - 1, (1, len(kinds)), generator=chance),
        "kinds": torch.tensor([kinds]),
        "images": torch.tensor([[NO_IMAGE if kind == Kind.TEXT else 0 for kind in kinds]]),
        "pixel_values": torch.randn(1, config.vision_config.num_channels, size, size, generator=chance),
        "logits_at": torch.tensor([kinds]) == Kind.TEXT,
    }
    return {name: tensor.to(model.device) for name, tensor in batch.items()}


@torch.no_grad()
def _logits(model: Any, batch: dict[str, Tensor]) -> Tensor:
    was_training = model.training
    model.eval()
    try:
        logits: Tensor = model(**batch).logits
    finally:
        model.train(was_training)
    return logits


@contextmanager
def whole_models() -> Iterator[None]:
    """Models made in here are whole on each rank; else, once DeepSpeed's arguments exist, they would be shared."""
    from transformers.integrations import deepspeed as integration

    reference = integration._hf_deepspeed_config_weak_ref
    integration.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        integration._hf_deepspeed_config_weak_ref = reference
