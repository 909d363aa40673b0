"""Instruct: language model, projector and VoCo embedding learn to answer through the rule."""

from components.stepping.job import Done, Job
from components.training import TrainConfig, TrainOutcome, run_stage
from components.training_step import train_step

__all__ = ["TrainConfig", "TrainOutcome", "instruct", "step"]


def instruct(config: TrainConfig) -> TrainOutcome:
    """Run the stage that the recipe describes."""
    return run_stage("instruct", config)


def step(job: Job) -> Done:
    """As a pipeline runs it: `data` and `start` in, `model` out."""
    return train_step("instruct", job)
