"""Hugging Face's Trainer over our batches, with our objective, groups, frozen parts, guard and reports."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from voco_model.data.collating import TrainingBatch
from voco_model.flops import executed
from voco_model.model import VocoForConditionalGeneration
from voco_model.segments import NO_IMAGE, Kind
from voco_model.training import zero
from voco_model.training.batches import Stream
from voco_model.training.guard import Guard
from voco_model.training.objective import IGNORED, Loss, Objective
from voco_model.training.optimiser import SCHEDULES, make_optimiser
from voco_model.training.progress import Meter, Report
from voco_model.training.recipe import Recipe
from voco_model.training.resuming import Resuming
from voco_model.training.stages import frozen_modules, reading_of
from voco_model.training.state import Stateful


def training_arguments(recipe: Recipe) -> TrainingArguments:
    """The recipe in Hugging Face's words; `max_steps` and `warmup_steps` are set once the data are known."""
    share = recipe.data.batch_size // recipe.device.processes
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed, which accelerate imports, warns
    return TrainingArguments(
        output_dir=str(recipe.out),
        max_steps=1,
        per_device_train_batch_size=recipe.data.micro_batch or share,
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.optimiser.lr,
        lr_scheduler_type=SCHEDULES[recipe.optimiser.schedule],
        max_grad_norm=recipe.optimiser.max_grad_norm,
        bf16=recipe.device.precision == "bf16",
        activation_checkpointing=recipe.device.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        seed=recipe.seed,
        use_cpu=not on_gpu,
        ddp_backend=("nccl" if on_gpu else "gloo") if launched_by_torchrun() else None,
        # A batch of text alone leaves the projector without gradient, unless the model looks at a blank picture.
        ddp_find_unused_parameters=not hasattr(VocoForConditionalGeneration, "always_see"),
        save_strategy="steps",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        ignore_data_skip=True,
        **zero.trainer_arguments(recipe),
    )


def launched_by_torchrun() -> bool:
    """Whether this is one of several processes, as torchrun tells each in its environment."""
    return "LOCAL_RANK" in os.environ


class VocoTrainer(Resuming):
    """Runs one stage. What is read, minimised and reported is ours; the loop is Hugging Face's."""

    def __init__(
        self,
        model: VocoForConditionalGeneration,
        args: TrainingArguments,
        recipe: Recipe,
        stream: Stream,
        report: Callable[[Report], None],
        validation: Stream | None = None,
        teacher: nn.Module | None = None,
    ) -> None:
        super().__init__(model=model, args=args)
        self.remove_callback(PrinterCallback)
        self.add_callback(_Steps(self))
        self.recipe, self.stream, self.report, self.validation = recipe, stream, report, validation
        self.objective = Objective(recipe.objective, recipe.seed, args.max_steps, teacher)
        self.guard = Guard(recipe.guard, recipe.out / "bad_batches.jsonl")
        self.resting = frozen_modules(model)
        self.reading = reading_of(recipe)
        dtype = torch.bfloat16 if args.bf16 else torch.float32
        self.meter = Meter(recipe.stage, args.max_steps, args.device.type, dtype, args.world_size)
        self.batches: list[TrainingBatch] = []
        """The step's, of this rank."""
        self.sums: dict[str, Tensor] = {}
        """The step's loss and its parts, added up over this rank's micro batches."""
        self.losses: dict[str, float] = {}
        """The same over all ranks."""
        self.fault: str | None = None
        self.last: Report = {}
        self.validation_loss: float | None = None
        self.loss_is_scaled_for_ga = True

    def get_train_dataloader(self) -> Any:
        return self.stream

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            self.optimizer: Any = make_optimiser(self.model, self.recipe.optimiser)
        return self.optimizer

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        return 0  # Hugging Face's estimate knows nothing of pictures and costs time; the meter counts

    def get_batch_samples(
        self, epoch_iterator: Iterator[TrainingBatch], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], Tensor]:
        """A step's micro batches, and how many labels all ranks have in it."""
        start = time.perf_counter()
        self.batches = [next(epoch_iterator) for _ in range(num_batches)]
        self.sums, self.fault = {}, None
        inputs = [batch.inputs for batch in self.batches if batch.inputs is not None]
        counts = self._over_ranks(
            torch.tensor(
                [
                    sum(int((one["labels"] != IGNORED).sum()) for one in inputs),
                    sum(int(one["attention_mask"].sum()) for one in inputs),
                    sum(len(batch.ids) for batch in self.batches),
                ],
                device=device,
            )
        )
        labels, tokens, samples = counts.tolist()
        self.meter.tokens += int(tokens)
        self.meter.samples += int(samples)
        self.meter.split.data += time.perf_counter() - start
        return [self._inputs(batch) for batch in self.batches], torch.tensor(max(labels, 1.0), device=device)

    def _inputs(self, batch: TrainingBatch) -> dict[str, Any]:
        """What the model takes. A rank without records runs an empty row, so that it takes part in the step."""
        given = dict(batch.inputs) if batch.inputs is not None else _nothing()
        return given if self.reading is None else given | {"reading": self.reading}

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        # Under the counter, gradients are rounded otherwise: it may run in the first step alone, not wherever a
        # run goes on, or what comes out would depend on where it was stopped.
        if self.meter.operations_per_token is not None or self.state.global_step > 0:
            return self._timed(model, inputs, num_items_in_batch)
        out: list[Tensor] = []
        operations = executed(lambda: out.append(self._timed(model, inputs, num_items_in_batch)))
        tokens = int(inputs["attention_mask"].sum())
        if tokens:
            self.meter.operations_per_token = operations / tokens
        return out[0]

    def _timed(self, model: nn.Module, inputs: dict[str, Any], num_items: Tensor | int | None) -> Tensor:
        start, before = time.perf_counter(), self.meter.split.forward
        loss = super().training_step(model, inputs, num_items)
        forward = self.meter.split.forward - before
        self.meter.split.backward += time.perf_counter() - start - forward
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        start = time.perf_counter()
        for part in self.resting:
            part.eval()
        loss = self.objective(model, inputs, self.state.global_step, num_items_in_batch)
        total = loss.total * self.accelerator.num_processes  # gradients are averaged over them
        if not total.requires_grad:  # text alone, which no trained part has touched
            total = total + self.model._nothing_to_learn()
        self._add(loss)
        if self.accelerator.gradient_state.sync_gradients:
            self._judge()
            if self.fault and self.is_deepspeed_enabled:
                total = total * float("nan")  # DeepSpeed steps within its backward, and skips such a gradient
        self.meter.split.forward += time.perf_counter() - start
        return total

    def _add(self, loss: Loss) -> None:
        for name, value in (loss.parts | {"loss": loss.total.detach()}).items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def _judge(self) -> None:
        """The whole step's loss, the same on all ranks, before anything is changed by it."""
        sums = self._over_ranks(torch.stack([value.double() for value in self.sums.values()]))
        self.losses = dict(zip(self.sums, sums.tolist(), strict=True))
        self.fault = self.guard.fault(self.losses["loss"], source=self.batches[-1].source)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """Called between the backward and the optimiser: the last moment to skip a step."""
        if not self.is_deepspeed_enabled:
            self._give_all_a_gradient()
        norm = super()._get_grad_norm(model, grad_norm)
        self.fault = self.fault or self.guard.fault(self.losses["loss"], float(norm), self.batches[-1].source)
        if self.fault:
            self.accelerator.gradient_state._set_sync_gradients(False)  # the optimiser then does not step
        return norm

    def _give_all_a_gradient(self) -> None:
        """Zero where a step touched nothing, as when it is all text: on several ranks Adam goes on there, too."""
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)

    def _over_ranks(self, values: Tensor) -> Tensor:
        """Sums over all processes."""
        return self.accelerator.reduce(values, "sum") if self.accelerator.num_processes > 1 else values

    def step_over(self, saves: bool) -> None:
        """After each step: the guard's books, and a report when it is due."""
        step = self.state.global_step
        self.meter.step({} if self.fault else self.losses)
        if self.fault:
            self.guard.skip(step, self.fault, [id for batch in self.batches for id in batch.ids])
        else:
            self.guard.passed(self.losses["loss"], self.batches[-1].source)
        if saves and self.validation is not None:
            self.validation_loss = self.validate()
        if step % self.recipe.saving.report_every == 0 or step >= self.args.max_steps:
            self._report(step)

    def _report(self, step: int) -> None:
        self.last = self.meter.report(step) | {"lr": self._get_learning_rate(), "skipped": self.guard.skipped}
        if self.validation_loss is not None:
            self.last["validation_loss"] = self.validation_loss
        if self.is_world_process_zero():
            self.report(self.last)

    def parts_to_save(self) -> dict[str, Stateful]:
        return {"stream": self.stream, "guard": self.guard, "trainer": self}

    def state_dict(self) -> dict[str, Any]:
        """What the reports say of steps that were taken before, ready for JSON."""
        return {
            "last": self.last,
            "validation_loss": self.validation_loss,
            "losses": self.meter.losses,
            "operations_per_token": self.meter.operations_per_token,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Report on as if the run had not been stopped."""
        self.last, self.validation_loss = state["last"], state["validation_loss"]
        self.meter.losses, self.meter.operations_per_token = state["losses"], state["operations_per_token"]

    def score(self) -> float | None:
        """The loss over the validation split, or without one that of the last steps."""
        if self.validation is not None:
            return self.validation_loss
        return statistics.mean(self.guard.losses) if self.guard.losses else None

    @torch.no_grad()
    def validate(self) -> float:
        """The mean loss of an answer's token over the validation split, read with all VoCo tokens."""
        assert self.validation is not None
        sums = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        self.model_wrapped.eval()
        for batch in self.validation.one_pass():
            inputs = self._prepare_inputs(self._inputs(batch))
            labels = int((inputs["labels"] != IGNORED).sum())
            loss = self.model_wrapped(**inputs, num_items_in_batch=1).loss
            sums += torch.stack([loss.double(), loss.new_tensor(labels, dtype=torch.float64)])
        self.model_wrapped.train()
        self.meter.began = time.perf_counter()  # this was no step's time
        total, labels = self._over_ranks(sums).tolist()
        return total / max(labels, 1)


class _Steps(TrainerCallback):
    """Tells the trainer that a step is over."""

    def __init__(self, trainer: VocoTrainer) -> None:
        self.trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: TrainerControl, **_: Any) -> None:
        self.trainer.step_over(control.should_save)


def _nothing() -> dict[str, Tensor]:
    """One row of one token, of which nothing is learnt."""
    one = torch.zeros(1, 1, dtype=torch.long)
    return {
        "input_ids": one,
        "kinds": one + Kind.TEXT,
        "images": one + NO_IMAGE,
        "attention_mask": one,
        "labels": one + IGNORED,
    }
