"""Align: the projector learns, from captions, to say pictures in the language model's words."""

from components.stepping.job import Done, Job
from components.training import TrainConfig, TrainOutcome, run_stage
from components.training_step import train_step

__all__ = ["TrainConfig", "TrainOutcome", "align", "step"]


def align(config: TrainConfig) -> TrainOutcome:
    """Run the stage that the recipe describes."""
    return run_stage("align", config)


def step(job: Job) -> Done:
    """As a pipeline runs it: `data` in, `model` out."""
    return train_step("align", job)
