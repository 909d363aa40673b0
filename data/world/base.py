"""The base models of the small world, in the places of CLIP and Vicuna: two ordinary Hugging Face folders."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from data.world.base_language import score_language, train_language
from data.world.base_vision import FEATURE_LAYER, image_processor, score_vision, train_vision
from voco_model.digest import of_tensors
from voco_model.errors import VocoError

FEWEST_SCENES = 60
"""A batch of pictures takes 48."""
MORE = 3
"""The encoder sees this many times the scenes that are spoken of."""
LONGER = 5
"""The encoder takes this many times the language model's steps: shapes come late."""
READY_MADE = Path(__file__).with_name("base_models")
"""What `make_base` gives with its defaults, kept so that the first run need not wait for it."""


def make_base(
    out: Path,
    seed: int = 0,
    level: int = 3,
    scenes: int = 2000,
    steps: int = 400,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train both and write `out/vision`, `out/language` and `out/base.json`; nothing stands there half made.

    level: of the hardest scenes; the encoder sees those of the levels below it, too.
    """
    if out.exists():
        raise VocoError(f"{out}: is there already; remove it or choose another folder")
    if scenes < FEWEST_SCENES or steps < 1:
        raise VocoError(
            f"{scenes} scenes and {steps} steps teach nothing; give {FEWEST_SCENES} or more, and 1 or more"
        )
    start = time.perf_counter()
    reader = train_vision(seed, range(1, level + 1), MORE * scenes, LONGER * steps, report)
    model, tokenizer = train_language(seed, level, scenes, steps, report)
    about: dict[str, Any] = {
        "seed": seed,
        "level": level,
        "scenes": scenes,
        "steps": steps,
        "feature_layer": FEATURE_LAYER,
        "vision": {"digest": weights(reader.tower), **score_vision(reader, seed, level)},
        "language": {"digest": weights(model), **score_language(model, tokenizer, seed, level)},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        made = Path(folder) / "base"
        reader.tower.save_pretrained(made / "vision")
        image_processor().save_pretrained(made / "vision")
        model.save_pretrained(made / "language")
        tokenizer.save_pretrained(made / "language")
        (made / "base.json").write_text(json.dumps(about, indent=1) + "\n")
        made.rename(out)
    report(f"{out}: made in {time.perf_counter() - start:.0f} s")
    return about


def weights(model: torch.nn.Module) -> str:
    """The weights' digest."""
    return of_tensors(sorted(model.state_dict().items()))
