"""Ends a run that must not go on."""

from components.kubeflow.component import component


@component
def refuse(reason: str) -> None:
    """Fails with the reason, so that the run is seen to have failed and why."""
    from components.stepping.perform import refuse as say
    from voco_model.errors import VocoError

    say(VocoError(reason))
