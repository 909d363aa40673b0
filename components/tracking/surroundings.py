"""What surrounds a step: the machine, the code, and how busy the machine is while it runs."""

import os
import platform
import sys
from collections.abc import Callable, Mapping
from types import TracebackType

from components.stepping.code import code
from components.tracking.repeating import Repeating

EVERY = 15.0
"""Seconds between two looks at the machine."""
GIB = 1 << 30
KFP = {"KFP_RUN_ID": "kfp.run", "KFP_TASK_ID": "kfp.task", "KFP_POD_NAME": "kfp.pod"}
"""What a cluster says of a task, and what it is called here."""


def surroundings() -> dict[str, str]:
    """Where a step runs, as a run's tags."""
    import psutil

    found = code()
    tags = {
        "voco.machine": f"{platform.machine()} {platform.system()}",
        "voco.cores": str(psutil.cpu_count() or 0),
        "voco.memory_gib": f"{psutil.virtual_memory().total / GIB:.1f}",
        "voco.gpus": os.environ.get("NVIDIA_VISIBLE_DEVICES", "") or "none",
        "voco.python": platform.python_version(),
        "voco.code_sha256": found.sha256,
        "voco.code_dirty": str(found.dirty).lower(),
        "mlflow.source.git.commit": found.commit or "",
        "voco.image": os.environ.get("VOCO_IMAGE", ""),
    }
    tags |= {name: os.environ.get(variable, "") for variable, name in KFP.items()}
    return {name: value for name, value in tags.items() if value}


class Watch:
    """While it lasts, a thread looks at the machine now and then; at least once, at the end."""

    def __init__(self, tell: Callable[[int, Mapping[str, float]], None], every: float = EVERY) -> None:
        """tell: takes the number of the look and its figures; what it raises ends the looking, not the step."""
        self._tell, self._every, self._number = tell, every, 0
        self._looking = Repeating(self._look, every)

    def __enter__(self) -> "Watch":
        import psutil

        psutil.cpu_percent()  # the next figure is of the time from here on
        self._looking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._looking.stop(self._every)

    def _look(self, last: bool) -> bool:
        import psutil

        figures = {
            "system/cpu_percent": psutil.cpu_percent(),
            "system/memory_percent": psutil.virtual_memory().percent,
            "system/process_memory_gib": psutil.Process().memory_info().rss / GIB,
            "system/disk_percent": psutil.disk_usage(os.getcwd()).percent,
        } | _gpu()
        try:
            self._tell(self._number, figures)
        except (OSError, ValueError) as error:
            print(f"the machine is not watched any more: {error}", file=sys.stderr)
            return False
        self._number += 1
        return True


def _gpu() -> dict[str, float]:
    """Of the GPU, where the step loaded torch and uses one; nothing is imported for that."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return {}
    free, total = torch.cuda.mem_get_info()
    return {"system/gpu_memory_percent": 100 * (total - free) / total}
