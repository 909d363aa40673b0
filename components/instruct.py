"""Instruct: language model, projector and VoCo embedding learn to answer through the rule."""

from components.training import TrainConfig, TrainOutcome, run_stage

__all__ = ["TrainConfig", "TrainOutcome", "instruct"]


def instruct(config: TrainConfig) -> TrainOutcome:
    """Run the stage that the recipe describes."""
    return run_stage("instruct", config)
