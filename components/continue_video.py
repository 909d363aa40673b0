"""Continue on video: from the instruct weights, some VoCo tokens for each frame, in time order."""

from components.stepping.job import Done, Job
from components.training import TrainConfig, TrainOutcome, run_stage
from components.training_step import train_step

__all__ = ["TrainConfig", "TrainOutcome", "continue_video", "step"]


def continue_video(config: TrainConfig) -> TrainOutcome:
    """Run the stage that the recipe describes."""
    return run_stage("continue_video", config)


def step(job: Job) -> Done:
    """As a pipeline runs it: `data` and `start` in, `model` out."""
    return train_step("continue_video", job)
