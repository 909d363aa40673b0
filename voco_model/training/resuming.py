"""Hugging Face's Trainer with our checkpoints: a run that was stopped goes on as if it had not been.

On a CPU what comes out is the same to the last bit, at the same number of processes. At another number the data
come in the same order and the optimiser goes on from the same state; sums over ranks are then rounded otherwise,
and dropout draws other numbers, from seed, step and rank.
"""

import json
import logging
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn
from transformers import Trainer

from voco_model.errors import VocoError
from voco_model.training import state
from voco_model.training.checkpoints import STATE, Checkpoint, Checkpoints
from voco_model.training.folder import first_difference
from voco_model.training.preemption import Preempted, Preemption
from voco_model.training.ranks import any_rank, first_decides, rank, ranks, together

PROGRESS = ("epoch", "global_step", "num_input_tokens_seen", "total_flos", "log_history")
"""The fields of Hugging Face's TrainerState that a run carries on; the others come from its arguments."""
log = logging.getLogger(__name__)


class Resuming(Trainer):
    """Saves and restores through `Checkpoints`; wants `save_strategy="steps"`, `save_steps` and `max_steps`."""

    checkpoints: Checkpoints | None = None
    preemption: Preemption | None = None
    _identity: dict[str, Any]
    _from: Checkpoint | None = None
    _saved: int | None = None
    _stopping = False
    """Whether a rank was asked to stop; all know it after the same step."""

    def parts_to_save(self) -> dict[str, state.Stateful]:
        """What else a run must find again: the position in its data, the same on all ranks, say."""
        raise NotImplementedError

    def score(self) -> float | None:
        """How good the model is now; the checkpoint with the lowest is kept."""
        return None

    @contextmanager
    def saving_to(
        self, checkpoints: Checkpoints, identity: dict[str, Any], preemption: Preemption
    ) -> Iterator[int]:
        """Within the block this run alone writes to `checkpoints`. Gives the step that training will go on from.

        identity: what must be the same when a run goes on, ready for JSON; parameters' names and shapes are
        compared in any case.
        """
        with ExitStack() as held:
            first_decides(lambda: held.enter_context(checkpoints.locked()))
            self.checkpoints, self.preemption, self._identity = checkpoints, preemption, identity
            name = first_decides(self._newest)
            self._from = Checkpoint(checkpoints.path / name) if name else None
            yield self._from.step if self._from else 0

    def _newest(self) -> str | None:
        """Rank 0 reads it through and checks that it is this run's."""
        assert self.checkpoints is not None
        newest = self.checkpoints.newest()
        if newest is None:
            return None
        ours, theirs = json.loads(json.dumps(self._identity)), newest.state()["identity"]
        if difference := first_difference(ours, theirs):
            raise VocoError(f"{newest.path}: is a checkpoint of another run ({difference}); give another out")
        return newest.path.name

    def train(self, *args: Any, **kwargs: Any) -> Any:
        try:
            with self.preemption.at_next_step() if self.preemption else nullcontext():
                output = super().train(*args, **kwargs)
        except KeyboardInterrupt:
            if self.checkpoints is not None and rank() == 0:
                log.warning("stopped; run again: %s", self.checkpoints.way_on())
            raise
        if self._stopping:
            step, steps = self.state.global_step, self.args.max_steps
            raise Preempted(f"stopped by SIGTERM, step {step} of {steps} is saved; run again to go on from it")
        return output

    def _prepare_for_training(self, *args: Any, **kwargs: Any) -> Any:
        """The last moment before the first batch is asked for: model, optimiser and schedule stand."""
        prepared = super()._prepare_for_training(*args, **kwargs)
        if self._from is not None:
            checkpoint = self._from
            together(lambda: self._restore(checkpoint))
        return prepared

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        if (
            self.state.global_step >= self.args.max_steps
        ):  # stopped after the last step, before the model was written
            self.control.should_training_stop = True
            return
        super()._run_epoch(*args, **kwargs)

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        """Called after each step."""
        self._stopping = any_rank(self.preemption is not None and self.preemption.asked)
        if self._stopping:
            self.control.should_save = self.control.should_training_stop = True
        super()._maybe_log_save_evaluate(*args, **kwargs)

    def _save_checkpoint(self, model: nn.Module, trial: Any = None) -> None:
        step, checkpoints = self.state.global_step, self.checkpoints
        if checkpoints is None or self._saved == step:  # Hugging Face asks twice after the last step
            return
        self.store_flos()
        try:
            together(lambda: self._write(checkpoints, step))
            first_decides(lambda: checkpoints.finish(step).path.name)
        except VocoError:
            first_decides(lambda: checkpoints.abandon(step))
            raise
        self._saved = step

    def _write(self, checkpoints: Checkpoints, step: int) -> None:
        with checkpoints.writing(step) as folder:
            save_file(state.random_state(), folder / _random_file(rank(), ranks()))
            numbers: dict[str, Any] = {}
            if self.is_deepspeed_enabled:
                from voco_model.training.zero import write_state

                write_state(self.deepspeed, folder)
            elif rank() == 0:
                state.write_weights(self.model, folder / state.WEIGHTS)
                numbers = state.write_optimiser(self.optimizer.optimizer, self.model, folder / state.OPTIMISER)
            if rank() == 0:
                (folder / STATE).write_text(json.dumps(self._state(numbers), indent=1), encoding="utf-8")

    def _state(self, numbers: dict[str, Any]) -> dict[str, Any]:
        """All that is no tensor."""
        score = None if self._stopping else self.score()  # measuring it takes longer than there may be
        return {
            "identity": self._identity,
            "ranks": ranks(),
            "score": score if score is not None and math.isfinite(score) else None,
            "progress": {key: getattr(self.state, key) for key in PROGRESS},
            "schedule": self.lr_scheduler.last_epoch,
            "optimiser": numbers,
            "parts": {name: part.state_dict() for name, part in self.parts_to_save().items()},
        }

    def _restore(self, checkpoint: Checkpoint) -> None:
        saved, folder = checkpoint.state(), checkpoint.path
        if self.is_deepspeed_enabled:
            from voco_model.training.zero import read_state

            read_state(self.deepspeed, folder)
        else:
            state.read_weights(self.model, folder / state.WEIGHTS)
            optimiser = self.optimizer.optimizer
            state.read_optimiser(optimiser, self.model, folder / state.OPTIMISER, saved["optimiser"])
        state.move_schedule(self.lr_scheduler, saved["schedule"])
        for name, part in self.parts_to_save().items():
            part.load_state_dict(saved["parts"][name])
        for key, value in saved["progress"].items():
            setattr(self.state, key, value)
        self._saved = checkpoint.step
        self._restore_random(folder, saved["ranks"])

    def _restore_random(self, folder: Path, then: int) -> None:
        if then == ranks():
            state.set_random_state(load_file(folder / _random_file(rank(), then)))
            return
        state.draw_random_state(self.args.seed, self.state.global_step, rank())
        if rank() == 0:
            log.warning(
                "%s: was written by %s processes, here are %s: dropout draws other numbers than it would have"
                " drawn, and sums are rounded otherwise; nothing else differs", folder, then, ranks()
            )  # fmt: skip


def _random_file(number: int, of: int) -> str:
    return f"random-{number:05}-of-{of:05}.safetensors"
