"""Questions per second with pictures compressed once, over asking each question alone with its picture anew.

    python -m tests.benchmarks.answering --pictures 4 --questions 10

Both give the same answers, greedily, of at most `--tokens` tokens. The goal is 8 at 10 questions for each picture.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from tests.benchmarks.measure import interleaved, medians, ratio
from voco_model.assistant import Assistant
from voco_model.config import preset
from voco_model.evaluation.answering import Asking, Reading, answer_all
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.questions import Question
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.processor import VocoProcessor
from voco_model.processing.tokenizer import byte_tokenizer

GQA = by_name("gqa")


def subject(name: str, device: str, dtype: torch.dtype) -> Assistant:
    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    model = VocoForConditionalGeneration(preset(name, n_voco=1)).to(device, dtype)
    return Assistant(model, VocoProcessor.for_model(model.config, tokenizer, template="short"))


def questions_about(folder: Path, pictures: int, each: int) -> list[Question]:
    for number in range(pictures):
        Image.effect_noise((640, 480), 80).convert("RGB").save(folder / f"{number}.jpg")
    asked = "What is on the left"  # about 32 tokens with the template, as many as a short question has
    return [
        Question(id=f"{p}-{k}", text=asked, prompt=f"{asked} of {k}?", media=f"{p}.jpg")
        for p in range(pictures)
        for k in range(each)
    ]


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    made = subject(options.preset, options.device, getattr(torch, options.dtype))
    questions = questions_about(folder, options.pictures, options.questions)
    reading = Reading.rule()

    def ask(some: list[Question], batch: int) -> list[str]:
        return answer_all(made, GQA, some, folder, [reading], Asking(batch, options.tokens))[reading]

    works = {
        "alone": lambda: [ask([question], 1) for question in questions],
        "shared": lambda: ask(questions, options.batch),
    }
    times = interleaved(works, options.repeats)
    return {
        "name": f"questions per second at {options.questions} for each picture: shared over alone",
        **ratio(times, "alone", "shared"),
        "goal": 8.0,
        "per_second": {name: len(questions) / seconds for name, seconds in medians(times).items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--preset", default="small")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--questions", type=int, default=10, help="about each picture")
    parser.add_argument("--tokens", type=int, default=4, help="of an answer, at most")
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options, Path(folder)), indent=2))


if __name__ == "__main__":
    main()
