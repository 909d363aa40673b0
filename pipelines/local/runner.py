"""The process in which KFP runs a compiled pipeline: `python -m pipelines.local.runner SPEC.json`."""

import json
import os
import sys
from pathlib import Path


def main(path: str) -> int:
    """Run the package that the file names; 0 when every task did well."""
    spec = json.loads(Path(path).read_text("utf-8"))
    from kfp import components, local

    if spec["container"]:
        from pipelines.local.containers import docker_runner, open_to_steps

        open_to_steps(Path(spec["home"]))
        runner = docker_runner(
            Path(spec["home"]), {n: os.environ[n] for n in spec["passed_on"] if n in os.environ}
        )
    else:
        runner = local.SubprocessRunner(use_venv=False)
    local.init(
        runner=runner,
        pipeline_root=spec["outputs"],
        raise_on_error=True,
        enable_caching=spec["caching"],
        cache_root=spec["cache"],
    )
    try:
        components.load_component_from_file(spec["package"])(**spec["arguments"])
    except RuntimeError as error:  # how KFP says that a task failed
        print(f"voco-run failed: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
