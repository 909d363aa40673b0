"""Profile: bytes, operations and time of a question, with nothing, everything, and VoCo tokens kept."""

from typing import Any

from components.stepping.job import Done, Job

KEYS = {"n_voco", "repeats", "tokens", "question"}


def step(job: Job) -> Done:
    """As a pipeline runs it: `model` in, `efficiency` out."""
    from voco_model.profiling.profile import JSON, MARKDOWN, Profiling, flat, profile_model

    job.check_settings(KEYS)
    settings: dict[str, Any] = {key: value for key, value in job.settings.items() if key != "n_voco"}
    given = job.setting("n_voco", [])
    out = job.outputs["efficiency"]
    config = Profiling(job.input("model"), out, (given,) if isinstance(given, int) else tuple(given), **settings)
    content = profile_model(config, lambda share: job.tell(int(100 * share), {"share": share}))
    return Done(flat(content), reports=(out / MARKDOWN, out / JSON))
