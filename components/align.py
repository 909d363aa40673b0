"""Align: the projector learns, from captions, to say pictures in the language model's words."""

from components.training import TrainConfig, TrainOutcome, run_stage

__all__ = ["TrainConfig", "TrainOutcome", "align"]


def align(config: TrainConfig) -> TrainOutcome:
    """Run the stage that the recipe describes."""
    return run_stage("align", config)
