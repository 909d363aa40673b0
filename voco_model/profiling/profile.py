"""A model's efficiency: what is kept of a picture, and what a question about it costs, in three ways.

FOLDER/
  efficiency.json   bytes, operations, seconds of each way, what VoCo tokens save, and the paper's figures beside
  efficiency.md     the same to read
"""

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from voco_model.assistant import Assistant
from voco_model.errors import VocoError
from voco_model.evaluation import paper
from voco_model.files import whole_folder
from voco_model.flops import executed
from voco_model.profiling.timing import interleaved, ratio, spread
from voco_model.profiling.ways import Everything, Nothing, VocoTokens, Way

FORMAT = 1
NONE, FULL, VOCO = "no_cache", "full_cache", "voco"
JSON, MARKDOWN = "efficiency.json", "efficiency.md"
FIRST, ANSWER = "first token", "answer"


@dataclass(frozen=True)
class Profiling:
    """What is measured."""

    model: Path
    out: Path
    n_voco: tuple[int, ...] = ()
    """Numbers of VoCo tokens; empty is one, and the model's own."""
    repeats: int = 10
    """Of each time; they take turns."""
    tokens: int = 8
    """Of an answer."""
    question: str = "What is in the picture?\nAnswer the question using a single word or phrase."

    def __post_init__(self) -> None:
        for name in ("repeats", "tokens"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise VocoError(f"{name} is {value}; give a whole number of at least 1")


def profile_model(config: Profiling, tell: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Measure, and write `config.out`."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assistant = Assistant.from_pretrained(config.model, device=device)
    ways = _ways(assistant, config)
    tell(0.1)
    found = _measured(ways, config, tell)
    content = {"format": FORMAT, "model": assistant.model.digest(), "machine": _machine(assistant)}
    content |= {"n_vision": assistant.model.config.n_vision, "tokens": config.tokens, "repeats": config.repeats}
    most = found[
        max((name for name in found if name.startswith(VOCO)), key=lambda name: found[name]["cache_bytes"])
    ]
    content |= {"cache_bytes_share": most["cache_bytes"] / found[FULL]["cache_bytes"]}
    content |= {"ways": found, "paper": paper.SAVED}
    with whole_folder(config.out) as folder:
        (folder / JSON).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        (folder / MARKDOWN).write_text(as_markdown(content), "utf-8")
    return content


def flat(content: Mapping[str, Any]) -> dict[str, float]:
    """By one name each, such as voco_1.cache_bytes or voco_1.saved.flops."""
    found: dict[str, float] = {}
    for name, way in content["ways"].items():
        found[f"{name}.cache_bytes"] = way["cache_bytes"]
        found[f"{name}.flops"] = way["flops"][FIRST]
        found[f"{name}.seconds"] = way["seconds"][FIRST]["median"]
        found[f"{name}.answer_seconds"] = way["seconds"][ANSWER]["median"]
        found |= {f"{name}.saved.{what}": share for what, share in way.get("saved", {}).items()}
    return found


def _ways(assistant: Assistant, config: Profiling) -> dict[str, Way]:
    model = assistant.model
    if not model.config.n_vision:
        raise VocoError(
            f"{config.model}: its compressor '{model.config.compressor}' has no vision tokens in the sequence, so "
            "there is nothing to compare with; profile a model with compressor 'voco'"
        )
    numbers = config.n_voco or tuple(sorted({1, model.config.n_voco}))
    asked = picture_for(assistant), config.question
    ways: dict[str, Way] = {NONE: Nothing(assistant, *asked), FULL: Everything(assistant, *asked)}
    return ways | {f"{VOCO}_{n}": VocoTokens(assistant, *asked, n) for n in numbers}


def picture_for(assistant: Assistant) -> Image.Image:
    """A square picture with something in it; what it shows changes nothing about the cost."""
    side = assistant.processor.size
    ramp = np.linspace(0, 255, side, dtype=np.uint8)
    across, down = np.meshgrid(ramp, ramp)
    return Image.fromarray(np.stack([across, down, 255 - across], axis=-1))


def _measured(ways: Mapping[str, Way], config: Profiling, tell: Callable[[float], None]) -> dict[str, Any]:
    lengths = {FIRST: 1, ANSWER: config.tokens}
    flops: dict[str, dict[str, int]] = {}
    for name, way in ways.items():
        way.ask(1)  # what is made once for all questions, such as the prefix's keys, is not the question's
        flops[name] = {what: executed(partial(way.ask, n)) for what, n in lengths.items()}
    tell(0.3)
    times = {}
    for k, (what, n) in enumerate(lengths.items(), start=1):
        works = {name: partial(way.ask, n) for name, way in ways.items()}
        times[what] = interleaved(works, config.repeats)
        tell(0.3 + 0.7 * k / len(lengths))
    found: dict[str, Any] = {}
    for name, way in ways.items():
        one = {"cache_bytes": way.kept_bytes, "flops": flops[name]}
        one["seconds"] = {what: spread(taken[name]) for what, taken in times.items()}
        if isinstance(way, VocoTokens):
            one["int8_bytes"] = way.int8_bytes
            one["saved"] = _saved(way, name, ways, flops, times)
        found[name] = one
    return found


def _saved(
    way: Way, name: str, ways: Mapping[str, Way], flops: Mapping[str, Any], times: Mapping[str, Any]
) -> dict[str, float]:
    """Percent: bytes against the full cache, operations and time to the first token against no cache."""
    return {
        "cache": 100 * (1 - way.kept_bytes / ways[FULL].kept_bytes),
        "flops": 100 * (1 - flops[name][FIRST] / flops[NONE][FIRST]),
        "time": 100 * (1 - ratio(times[FIRST], name, NONE)["median"]),
        "answer_time": 100 * (1 - ratio(times[ANSWER], name, NONE)["median"]),
        "time_over_full_cache": 100 * (1 - ratio(times[FIRST], name, FULL)["median"]),
    }


def _machine(assistant: Assistant) -> dict[str, Any]:
    model = assistant.model
    device = torch.cuda.get_device_name() if model.device.type == "cuda" else platform.machine()
    dtype = str(model.dtype).removeprefix("torch.")
    return {"device": device, "threads": torch.get_num_threads(), "torch": torch.__version__, "dtype": dtype}


def as_markdown(content: Mapping[str, Any]) -> str:
    """The table, and what VoCo tokens save."""
    head = [
        "",
        "bytes kept",
        "operations to the first token",
        "ms to the first token",
        f"ms to {content['tokens']} tokens",
    ]
    lines = ["| " + " | ".join(head) + " |", "|---|---:|---:|---:|---:|"]
    for name, way in content["ways"].items():
        first, answer = (1000 * way["seconds"][what]["median"] for what in (FIRST, ANSWER))
        lines.append(f"| {name} | {way['cache_bytes']:,} | {way['flops'][FIRST]:,} | {first:.2f} | {answer:.2f} |")
    lines += ["", "| saved, % | cache | operations | time | answer's time |", "|---|---:|---:|---:|---:|"]
    for name, way in content["ways"].items():
        if saved := way.get("saved"):
            shares = (saved[what] for what in ("cache", "flops", "time", "answer_time"))
            lines.append(f"| {name} | " + " | ".join(f"{share:.1f}" for share in shares) + " |")
    known = content["paper"]
    lines.append(f"| the paper, 7B | {known['cache']} | {known['flops']} | {known['time']} | |")
    machine = content["machine"]
    where = f"{machine['device']}, {machine['dtype']}, torch {machine['torch']}, {machine['threads']} threads"
    lines += ["", f"{content['n_vision']} vision tokens; {where}; medians of {content['repeats']}."]
    lines.append("Bytes are saved against keeping all vision tokens; operations and time against keeping nothing.")
    return "\n".join(lines) + "\n"
