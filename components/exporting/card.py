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
    ]
    return "\n\n".join(parts) + "\n"


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
