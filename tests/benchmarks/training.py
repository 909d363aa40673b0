"""A training step of the Trainer: where its time goes, what it adds to a bare loop, and the masked pass beside it.

    python -m tests.benchmarks.training --out tests/benchmarks/results/training-tiny-cpu.json

All ways train the same model on the same batches, in turn, again and again; figures are medians of ratios of CPU
seconds, in which what else runs on the machine does not count. Run it with one thread and without workers.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from transformers import TrainerCallback, get_scheduler

from tests.benchmarks.measure import ratio
from tests.voco_model.data.small_sets import Item, png, write
from voco_model.model import VocoForConditionalGeneration
from voco_model.segments import NO_IMAGE
from voco_model.training.batches import Stream
from voco_model.training.building import build
from voco_model.training.determinism import same_every_time
from voco_model.training.objective import IGNORED
from voco_model.training.optimiser import make_optimiser
from voco_model.training.progress import Split
from voco_model.training.recipe import Recipe
from voco_model.training.stages import freeze
from voco_model.training.trainer import VocoTrainer, training_arguments

WARM_UP = 3
"""Steps that are run and not counted: the first also counts operations."""
QUESTION = "What stands where, how large is it, and of what colour are its neighbours? " * 2


class _Times(TrainerCallback):
    """When each step ended, and the split of those that count."""

    def __init__(self, trainer: VocoTrainer) -> None:
        self.trainer = trainer
        self.ends: list[float] = []

    def on_step_end(self, *_, **__) -> None:
        self.ends.append(time.process_time())
        if len(self.ends) == WARM_UP:
            self.trainer.meter.split = Split()


def recipe(options: argparse.Namespace, folder: Path, questions: int) -> Recipe:
    return Recipe.model_validate(
        {
            "stage": "instruct",
            "out": folder / "run",
            "steps": options.steps + WARM_UP,
            "start": {"preset": options.preset},
            "data": {
                "folders": [folder / f"set-{questions}"],
                "batch_size": options.images,
                "questions_per_image": questions,
                "workers": options.workers,
            },
            "optimiser": {"lr": 1e-4},
            "saving": {"report_every": 10**6},
        }
    )


def trainer_steps(given: Recipe) -> tuple[float, Split]:
    """Seconds of a step of ours, and where they went."""
    args = training_arguments(given)
    args.max_steps = given.steps or 0
    args.save_strategy = "no"
    built = build(given)
    freeze(built.model, given)
    trainer = VocoTrainer(built.model, args, given, Stream(given.data, built.processor, seed=0), lambda _: None)
    times = _Times(trainer)
    trainer.add_callback(times)
    trainer.step_over = _without_last_report(trainer)
    trainer.train()
    ends = times.ends[WARM_UP - 1 :]
    return (ends[-1] - ends[0]) / (len(ends) - 1), trainer.meter.split


def _without_last_report(trainer: VocoTrainer) -> Callable[[bool], None]:
    """The last report would put the split back to zero."""

    def step_over(saves: bool) -> None:
        if trainer.state.global_step < trainer.args.max_steps:
            VocoTrainer.step_over(trainer, saves)
        else:
            trainer.meter.step({})

    return step_over


def our_loss(model: VocoForConditionalGeneration, inputs: dict) -> Tensor:
    return model(**inputs, num_items_in_batch=(inputs["labels"] != IGNORED).sum()).loss


def masked_loss(model: VocoForConditionalGeneration, inputs: dict) -> Tensor:
    """The reference's way: one masked pass, every question with a picture of its own, logits everywhere."""
    numbers, labels = inputs["images"].max(1).values, inputs["labels"]
    own = torch.arange(len(numbers))[:, None].expand_as(labels)
    out = model(
        inputs["input_ids"],
        inputs["kinds"],
        torch.where(inputs["images"] == NO_IMAGE, NO_IMAGE, own),
        pixel_values=inputs["pixel_values"][numbers],
        logits_at=torch.ones_like(labels, dtype=torch.bool),
        mode="one_pass",
    )
    logits = out.logits.view(*labels.shape, -1)[:, :-1].flatten(0, 1)
    return torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten(), ignore_index=IGNORED)


def bare_steps(given: Recipe, loss_of: Callable[..., Tensor] = our_loss) -> float:
    """Seconds of a step of the plainest loop that learns the same."""
    built = build(given)
    freeze(built.model, given)
    model = built.model.train()
    model.vision_tower.eval()
    optimiser = make_optimiser(model, given.optimiser)
    schedule = get_scheduler("cosine", optimiser, 0, given.steps)
    trained = [p for p in model.parameters() if p.requires_grad]
    stream = iter(Stream(given.data, built.processor, seed=0))
    start = 0.0
    for step in range(given.steps or 0):
        if step == WARM_UP:
            start = time.process_time()
        inputs = next(stream).inputs
        loss_of(model, inputs).backward()
        torch.nn.utils.clip_grad_norm_(trained, given.optimiser.max_grad_norm)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    return (time.process_time() - start) / ((given.steps or 0) - WARM_UP)


def measure(options: argparse.Namespace, folder: Path, questions: int) -> dict:
    """Every way in turn, so many times."""
    pictures = [png(n, (64, 48)) for n in range(4 * options.images)]
    items = [Item(media=media, answer="It is a red one.") for media in pictures for _ in range(questions)]
    for item in items:
        item.tag = f"<image>\n{QUESTION}"
    write(folder / f"set-{questions}", items, per_shard=len(items))
    given = recipe(options, folder, questions)
    times: dict[str, list[float]] = {"trainer": [], "bare": [], "masked": []}
    splits = []
    with same_every_time("cpu"):
        for _ in range(options.repeats):
            seconds, split = trainer_steps(given)
            times["trainer"].append(seconds)
            splits.append({**asdict(split), "optimiser": split.optimiser})
            times["bare"].append(bare_steps(given))
            times["masked"].append(bare_steps(given, masked_loss))
    return {
        "questions_per_image": questions,
        "seconds_per_step": {name: statistics.median(values) for name, values in times.items()},
        "trainer_over_bare": ratio(times, "trainer", "bare") | {"goal": "<= 1.15"},
        "masked_over_trainer": ratio(times, "masked", "trainer"),
        "share_of_step": {
            part: statistics.median(one[part] / one["whole"] for one in splits)
            for part in ("data", "forward", "backward", "optimiser")
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--questions", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(options, Path(folder), n) for n in options.questions]
    text = json.dumps({"threads": torch.get_num_threads(), "torch": torch.__version__, "rows": rows}, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
