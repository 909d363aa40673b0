"""A short run on synthetic batches through Hugging Face's Trainer, with ZeRO or without; started by torchrun.

    python -m tests.voco_model.training.zero_run PLAN.json

What it saw is written as JSON by rank 0.
"""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.utils.data import DataLoader, IterableDataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from tests.voco_model import worlds
from voco_model.segments import Kind
from voco_model.training import zero
from voco_model.training.recipe import Recipe

BATCH = 4
"""Samples in an optimiser step, whatever the number of ranks."""
RATES = {"language_model": 1e-3, "projector": 2e-3, "compressor": 2e-3}


@dataclass
class Plan:
    """What a run is to do."""

    out: str
    stage: int = 0
    offload: str = "none"
    precision: str = "float32"
    micro_batches: int = 1
    """Of a rank in a step, when it has more than one sample."""
    until: int = 20
    resume: str | None = None
    checkpoint_at: list[int] = field(default_factory=list)
    model: bool = False
    """Whether the whole model is written at the end."""
    nan_at: int | None = None
    """A step whose gradient is spoiled."""
    text_only: bool = False
    """Whether the second half of each step's samples shows no image."""
    recompute: bool = False
    """Whether activations are computed again in the backward pass."""


def recipe(plan: Plan, ranks: int) -> Recipe:
    return Recipe.model_validate(
        {
            "stage": "instruct",
            "out": plan.out,
            "steps": plan.until,
            "start": {"preset": "tiny"},
            "data": {
                "folders": ["none"],
                "batch_size": BATCH,
                "micro_batch": BATCH // ranks // plan.micro_batches,
            },
            "optimiser": {"lr": 1e-3},
            "device": {
                "gpus_per_node": ranks,
                "zero": plan.stage,
                "offload": plan.offload,
                "precision": plan.precision,
            },
        }
    )


def samples(plan: Plan, step: int, numbers: range, n_vision: int) -> dict:
    """Rows of their own image; all of them differ, and every row has as many labels."""
    specs = [
        [("p", 1), ("t", 9)] if plan.text_only and k >= BATCH // 2 else [("p", 1), ("i", at, 4), ("t", 5)]
        for at, k in enumerate(numbers)
    ]
    rows = worlds.rows(specs, n_vision, seed=1000 * step + numbers[0])
    pixels = torch.cat(
        [
            torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1000 * (step % 2) + k))
            for k in numbers
        ]
    )
    for row, k in enumerate(numbers):
        chance = torch.Generator().manual_seed(1000 * (step % 2) + k)
        rows.input_ids[row] = torch.randint(0, 256, rows.input_ids[row].shape, generator=chance)
    labels = rows.input_ids.masked_fill(rows.kinds != Kind.TEXT, -100)
    return {
        "input_ids": rows.input_ids,
        "kinds": rows.kinds,
        "images": rows.images,
        "pixel_values": pixels,
        "labels": labels,
    }


class Stream(IterableDataset):
    """Each rank's micro batches, of the same samples in a step at any number of ranks."""

    def __init__(self, plan: Plan, n_vision: int, first: int) -> None:
        self.plan, self.n_vision, self.first = plan, n_vision, first

    def __iter__(self):
        rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        size = BATCH // ranks // self.plan.micro_batches
        for step in range(self.first, self.plan.until):
            for micro in range(self.plan.micro_batches):
                start = (rank * self.plan.micro_batches + micro) * size
                yield samples(self.plan, step, range(start, start + size), self.n_vision)


class Runner(Trainer):
    """Hugging Face's loop with our groups, and our checkpoints in the place of its own."""

    def __init__(self, plan: Plan, **kwargs) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.first = int(plan.resume.rpartition("-")[2]) if plan.resume else 0
        self.losses = torch.zeros(plan.until - self.first)
        """This rank's share of each step's loss."""
        self.add_callback(Marks(self))

    def get_train_dataloader(self):
        return DataLoader(Stream(self.plan, self.model.config.n_vision, self.first), batch_size=None)

    def create_optimizer(self, model=None):
        if self.optimizer is None:
            groups = [
                {"params": [p for p in getattr(self.model, part).parameters() if p.requires_grad], "lr": rate}
                for part, rate in RATES.items()
            ]
            self.optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
        return self.optimizer

    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        self.losses[self.state.global_step] += loss.detach() / self.args.world_size
        return loss * float("nan") if self.state.global_step == self.plan.nan_at else loss

    def whole_losses(self) -> list[float]:
        if self.args.world_size > 1:
            torch.distributed.all_reduce(self.losses)
        return self.losses.tolist()


class Marks(TrainerCallback):
    """Restores before the first step, writes after the named ones."""

    def __init__(self, trainer: Runner) -> None:
        self.trainer, self.plan = trainer, trainer.plan

    def on_train_begin(self, args, state, control, **kwargs):
        if self.plan.resume:
            zero.read_state(self.trainer.deepspeed, Path(self.plan.resume))

    def on_step_end(self, args, state, control, **kwargs):
        step = self.trainer.first + state.global_step
        if step in self.plan.checkpoint_at:
            folder = Path(self.plan.out) / f"step-{step}"
            folder.mkdir(exist_ok=True)
            zero.write_state(self.trainer.deepspeed, folder)


def run(plan: Plan) -> dict:
    """Train, and say what was seen."""
    ranks = int(os.environ.get("WORLD_SIZE", 1))
    model = worlds.model(dtype=torch.float32)
    model.vision_tower.requires_grad_(False)
    if plan.text_only:
        model.always_see = True
    trainer = Runner(plan, model=model.train(), args=_arguments(plan, ranks))
    trainer.train()
    seen: dict = {"losses": trainer.whole_losses()}
    folder = Path(plan.out) / "model"
    if plan.stage == 0:
        model.save_pretrained(folder)
    elif plan.model:
        saved = zero.save_model(trainer.deepspeed, _on_first(folder), file_bytes=100_000)
        seen |= {"difference": saved.difference, "digest": saved.digest}
    return seen | {"buffers": _float_buffers(model)}


def _on_first(folder: Path) -> Path | None:
    """The folder, made, on the rank that writes."""
    if torch.distributed.get_rank():
        return None
    folder.mkdir()
    return folder


def _arguments(plan: Plan, ranks: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=plan.out,
        max_steps=plan.until - (int(plan.resume.rpartition("-")[2]) if plan.resume else 0),
        per_device_train_batch_size=BATCH // ranks // plan.micro_batches,
        gradient_accumulation_steps=plan.micro_batches,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        bf16=plan.precision == "bf16",
        activation_checkpointing=plan.recompute,
        activation_checkpointing_kwargs={"use_reentrant": False},
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=True,
        **zero.trainer_arguments(recipe(plan, ranks)),
    )


def _float_buffers(model) -> list[str]:
    return sorted({str(b.dtype) for b in model.buffers() if b.is_floating_point()})


if __name__ == "__main__":
    chosen = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    result = run(chosen)
    if int(os.environ.get("RANK", 0)) == 0:
        (Path(chosen.out) / "seen.json").write_text(json.dumps(result))
    torch.distributed.destroy_process_group()
