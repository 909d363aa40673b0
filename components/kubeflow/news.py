"""Whether there is anything to train for."""

from typing import NamedTuple

from kfp.dsl import Dataset, Input

from components.kubeflow.component import component


@component
def news(config: str, training: str, data: Input[Dataset]) -> NamedTuple(
    "News", [("decision", str), ("reason", str)]
):  # type: ignore[valid-type]
    """Asks the registry, so it is never answered from the cache."""
    from components.kubeflow.adapter import run, training_digest

    values = run("news", config, inputs={"data": data}, extra=training_digest(training)).values
    print(f"{values['decision']}: {values['reason']}")
    return values["decision"], values["reason"]
