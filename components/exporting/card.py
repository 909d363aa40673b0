<<<<<<< HEAD
"""The model card: where a model comes from, what it is worth, what it is not for."""

import json
from pathlib import Path
from typing import Any

from voco_model.config import VocoConfig
from voco_model.training.building import history_of

USE = """```python
import mlflow
model = mlflow.pyfunc.load_model("{name}")
model.predict({{"image": ["picture.png"], "question": ["{question}"]}})

from voco_model import Assistant
assistant = Assistant.from_pretrained("{name}/model")
assistant.answer(assistant.compress("picture.png"), "{question}")
```"""
LIMITS = (
    "Answers come from {tokens} of a picture; fine print, exact places and large counts are lost first.",
    "The figures above are of the benchmarks named there; on other pictures and questions nothing is known.",
    "Answers may be wrong and sound sure. Nothing in the model says when it does not know.",
    "`image` may be a path on the machine that answers: where strangers ask, set VOCO_MEDIA_ROOT.",
)


def card(model: Path, name: str, tables: str, efficiency: str) -> str:
    """README.md of an export; `tables` and `efficiency` are Markdown."""
    config = VocoConfig.from_pretrained(model, local_files_only=True)
    parts = [
        f"# {name}",
        _method(config),
        "## Use",
        USE.format(name="exported", question="What is in the picture?"),
        "## Training",
        _training(history_of(model)),
        "## What it is worth",
        tables.strip() or "No tables came with it.",
        "## What it saves",
        efficiency.strip() or "Not measured.",
        "## Limits",
        "\n".join(f"- {line.format(tokens=_tokens(config))}" for line in LIMITS),
=======
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
>>>>>>> late2
    ]
    return "\n\n".join(parts) + "\n"


<<<<<<< HEAD
def _method(config: VocoConfig) -> str:
    read = "through the rule, from its VoCo tokens alone" if config.reading == "rule" else "with all vision tokens"
    return (
        f"A VoCo-LLaMA: the {config.n_vision} vision tokens of a picture are compressed into {_tokens(config)}"
        f" inside the language model (compressor `{config.compressor}`, positions `{config.positions}`). Text"
        f" reads a picture {read}. The method is that of arXiv 2406.12275."
    )


def _tokens(config: VocoConfig) -> str:
    return f"{config.n_voco} token{'s' * (config.n_voco != 1)}"


def _training(history: list[dict[str, Any]]) -> str:
    """The stages, oldest first, each by the digests that make it found again."""
    if not history:
        return "No history came with the weights."
    lines = ["| stage | variant | steps | seed | recipe | model |", "| --- | --- | --- | --- | --- | --- |"]
    for one in history:
        told = [str(one.get(key, "")) for key in ("stage", "variant", "steps", "seed")]
        told += [f"`{str(one.get(key, ''))[:16]}`" for key in ("recipe", "model")]
        lines.append(f"| {' | '.join(told)} |")
    return "\n".join([*lines, "", "The data are named in the run's audit record, by digest."])


def markdown(folder: Path | None, name: str) -> str:
    """A Markdown page of another step; its JSON where it wrote none."""
    if folder is None:
        return ""
    page, numbers = folder / f"{name}.md", folder / f"{name}.json"
    if page.is_file():
        return page.read_text("utf-8")
    if numbers.is_file():
        return f"```json\n{json.dumps(json.loads(numbers.read_text('utf-8')), indent=1)}\n```"
    return ""
=======
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
>>>>>>> late2
