"""The model card: what an export is, how it was made, what it is worth, and what it is not for."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIMITS = (
    "It answers from VoCo tokens alone: what these did not keep of a picture cannot be asked for later. Small"
    " print, exact counts and exact places suffer first; the tables say by how much.",
    "It was judged on the benchmarks below and nothing else; figures with few questions have wide intervals.",
    "Answers are short, as the benchmarks ask for them. It is not made for open conversation, nor for decisions"
    " about people.",
    "A cache can be read only by the very model that made it; the digest above is checked.",
)


def card(name: str, config: Any, digest: str, parameters: int, model: Path, tables: str, efficiency: str) -> str:
    """`README.md` of an export."""
    parts = [
        f"# {name}",
        "Answers questions about pictures and clips that it keeps as a few VoCo tokens each"
        " ([VoCo-LLaMA](https://arxiv.org/abs/2406.12275)). "
        f"Model digest: `{digest}`.",
        "## Use",
        _use(),
        "## Method",
        _method(config, parameters),
        "## Training and data",
        _training(model / "training.json"),
        "## What it is worth",
        tables.strip(),
        "In brackets 95 % bootstrap intervals over pictures. Every answer lies in `tables/benchmarks/`.",
        "## What it saves",
        efficiency.strip(),
        "## Limits",
        "\n".join(f"- {limit}" for limit in LIMITS),
    ]
    return "\n\n".join(parts) + "\n"


def _use() -> str:
    return (
        "```python\n"
        "import mlflow, pandas\n"
        'model = mlflow.pyfunc.load_model("this/folder")\n'
        'model.predict(pandas.DataFrame({"image": ["picture.png"], "question": ["What is this?"]}))\n\n'
        "from voco_model import Assistant\n"
        'assistant = Assistant.from_pretrained("this/folder/model")\n'
        'cache = assistant.compress("picture.png")\n'
        "```\n\n"
        "`image` is a path, or a PNG or JPEG as base64. Where others send requests, set `VOCO_IMAGE_ROOT` to the"
        " only folder that paths may lead to. `manifest.json` has the sha256 of every file."
    )


def _method(config: Any, parameters: int) -> str:
    size = config.vision_config.image_size
    rows = {
        "VoCo tokens for each picture": config.n_voco,
        "vision tokens that these stand for": config.n_vision,
        "compressor": config.compressor,
        "positions": config.positions,
        "picture size": f"{size} x {size}",
        "decoder": f"{config.text_config.model_type}, {config.text_config.num_hidden_layers} layers",
        "parameters": f"{parameters:,}",
    }
    return "| | |\n|---|---|\n" + "\n".join(f"| {what} | {value} |" for what, value in rows.items())


def _training(path: Path) -> str:
    """The stages that led here, as the training steps wrote them down."""
    if not path.is_file():
        return "The model says nothing of its training."
    stages: list[Mapping[str, Any]] = json.loads(path.read_text("utf-8")).get("stages", [])
    lines = ["| stage | variant | steps | seed | recipe |", "|---|---|---|---|---|"]
    for stage in stages:
        recipe = str(stage.get("recipe", ""))[:16]
        shown = [stage.get(key, "") for key in ("stage", "variant", "steps", "seed")]
        lines.append("| " + " | ".join(str(one) for one in [*shown, f"`{recipe}`"]) + " |")
    lines += ["", "The run's audit record names the data, the code and the configuration of each stage by digest."]
    return "\n".join(lines)
