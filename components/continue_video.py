"""Continue on video: from the instruct weights, some VoCo tokens for each frame, in time order."""

from components.training import TrainConfig, TrainOutcome, run_stage

__all__ = ["TrainConfig", "TrainOutcome", "continue_video"]


def continue_video(config: TrainConfig) -> TrainOutcome:
    """Run the stage that the recipe describes."""
    return run_stage("continue_video", config)
