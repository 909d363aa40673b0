"""Whether there is anything to train for."""

from kfp.dsl import Dataset, Input, OutputPath

from components.kubeflow.component import component


@component
def news(config: str, training: str, data: Input[Dataset], reason: OutputPath(str)) -> str:  # type: ignore[valid-type]
    """`train` or `nothing new`. It asks the registry, so it is never answered from the cache.

    The decision is the one return value: KFP's local conditions know no outputs by other names.
    """
    from pathlib import Path

    from components.kubeflow.adapter import run, training_digest

    values = run("news", config, inputs={"data": data}, extra=training_digest(training)).values
    print(f"{values['decision']}: {values['reason']}")
    Path(reason).write_text(values["reason"])
    return values["decision"]
