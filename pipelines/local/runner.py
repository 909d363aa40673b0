"""The process in which KFP runs a compiled pipeline: `python -m pipelines.local.runner SPEC.json`."""

import json
import sys
from pathlib import Path


def main(path: str) -> int:
    """Run the package that the file names; 0 when every task did well."""
    spec = json.loads(Path(path).read_text("utf-8"))
    from kfp import components, local

    local.init(
        runner=local.SubprocessRunner(use_venv=False),
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
