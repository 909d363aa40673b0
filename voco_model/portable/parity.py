"""How far the graphs' numbers are from the model's own, on pictures that both read."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image

from voco_model.assistant import Assistant
from voco_model.portable.reading import OnnxReader
from voco_model.processing.templates import IMAGE_TAGS

PARITY = "parity.json"
SHOWN = 4
QUESTIONS = ("What is in the picture?", "How many things are there?")


@dataclass(frozen=True)
class Parity:
    """The largest differences, absolute, and how often the answers were the same."""

    keys: float
    """Of keys and values in caches."""
    logits: float
    largest_logit: float
    """What the logits' difference is to be seen beside."""
    same_answers: int
    answers: int

    def __str__(self) -> str:
        same = f"{self.same_answers} of {self.answers} answers"
        return f"within {self.logits:.1g} of {self.largest_logit:.1f}, {same}"


def made_up_pictures(side: int, count: int = SHOWN) -> list[Image.Image]:
    """Noise and plain colours, the same every time."""
    chance = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (count, side, side, 3), generator=chance, dtype=torch.uint8)
    noise[::2] = noise[::2, :1, :1]
    return [Image.fromarray(one.numpy()) for one in noise]


@torch.no_grad()
def measure(
    assistant: Assistant,
    reader: OnnxReader,
    pictures: Sequence[Image.Image] | None = None,
    questions: Sequence[str] = QUESTIONS,
    max_new_tokens: int = 8,
) -> Parity:
    """Every picture compressed by both, every question read by both."""
    keys = logits = largest = 0.0
    same = total = 0
    for picture in made_up_pictures(assistant.processor.size) if pictures is None else pictures:
        ours, theirs = assistant.compress(picture), reader.compress(picture)
        for one, other in zip(ours.tensors(), theirs.tensors(), strict=True):
            keys = max(keys, _apart(one, other))
        for question in questions:
            batch = assistant.processor([f"{IMAGE_TAGS[0]}\n{question}"], [[ours]])
            told = assistant.model(**batch).logits[0, -1].float()
            logits = max(logits, _apart(told, torch.from_numpy(reader.logits(theirs, question)[-1])))
            largest = max(largest, float(told.abs().max()))
            answer = assistant.answer(ours, question, max_new_tokens=max_new_tokens)
            same += answer == reader.answer(theirs, question, max_new_tokens)
            total += 1
    return Parity(keys, logits, largest, same, total)


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference; what is no number is as far away as can be, not left out of a maximum."""
    largest = float((one.float() - other.float()).abs().max())
    return math.inf if math.isnan(largest) else largest


def write_parity(parity: Parity, folder: Path) -> None:
    """Beside the graphs."""
    (folder / PARITY).write_text(json.dumps(asdict(parity), indent=1) + "\n", "utf-8")


def read_parity(folder: Path) -> Parity:
    """What `write_parity` wrote."""
    return Parity(**json.loads((folder / PARITY).read_text("utf-8")))
