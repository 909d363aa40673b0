"""Ends a run whose data must not be trained on."""

from kfp.dsl import Artifact, Input

from components.kubeflow.component import component


@component
def refuse(report: Input[Artifact]) -> None:
    """Fails with the reason, so that the run is seen to have failed and why."""
    import json
    from pathlib import Path

    from components.stepping.perform import refuse as say
    from voco_model.errors import VocoError

    say(VocoError(json.loads(Path(report.path, "result.json").read_text())["reason"]))
