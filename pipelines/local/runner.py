"""The process in which KFP runs a compiled pipeline: `python -m pipelines.local.runner SPEC.json`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from components.stepping.events import say


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
    tell_hits()
    try:
        components.load_component_from_file(spec["package"])(**spec["arguments"])
    except RuntimeError as error:  # how KFP says that a task failed
        print(f"voco-run failed: {error}", flush=True)
        return 1
    return 0


def tell_hits() -> None:
    """KFP's local cache answers in silence: say which tasks an earlier run had done, and what they left."""
    from kfp.local.cache import get_local_cache

    cache = get_local_cache()
    if cache is None:
        return
    names: dict[str, str] = {}
    compute, get = cache.compute_key, cache.get

    def noted_key(**about: Any) -> str:
        key = compute(**about)
        names[key] = label_of(about["component_name"], about["arguments"])
        return key

    def told_get(key: str) -> Any:
        found = get(key)
        if found is not None:
            paths = {name: one.uri for name, one in found.items() if hasattr(one, "uri")}
            texts = {name: one for name, one in found.items() if isinstance(one, str)}
            say(names.get(key, key), "ended", seconds=0.0, outputs=paths, values=texts)
        return found

    cache.compute_key, cache.get = noted_key, told_get


def label_of(component: str, arguments: dict[str, Any]) -> str:
    """A task as its own process calls it."""
    name = str(arguments.get("task") or component.removeprefix("comp-").replace("-", "_"))
    return f"{name} {arguments['benchmark']}" if "benchmark" in arguments else name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
