"""Where steps keep things, unless the environment says another place."""

import os
from pathlib import Path


def voco_home() -> Path:
    """Where everything that is made here lies, unless configured otherwise."""
    return Path(os.environ.get("VOCO_HOME") or ".voco").absolute()


def voco_work() -> Path:
    """Where steps keep what they need should they be started again; a shared volume on a cluster."""
    return Path(os.environ.get("VOCO_WORK") or voco_home() / "work").absolute()
