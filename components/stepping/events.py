"""What a step says on standard output, for whoever watches it: one line for each event."""

import json
from collections.abc import Mapping
from typing import Any

MARK = "voco-step "


def say(task: str, event: str, **more: Any) -> None:
    """Events: started, figures, ended."""
    print(MARK + json.dumps({"task": task, "event": event, **more}), flush=True)


def heard(line: str) -> Mapping[str, Any] | None:
    """The event that a line of a log is, if it is one."""
    line = line.strip()  # KFP sets what a task says apart by blanks
    if not line.startswith(MARK):
        return None
    try:
        found = json.loads(line[len(MARK) :])
    except ValueError:
        return None
    return found if isinstance(found, dict) and "task" in found and "event" in found else None
