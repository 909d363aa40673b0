"""DVC's own command in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.dvc_tracking import ENVIRONMENT

LONGEST = 120


def dvc(repo: Path, *arguments: str) -> None:
    """Run it there; what it says of a failure is the test's."""
    command = [sys.executable, "-m", "dvc", *arguments]
    environment = os.environ | ENVIRONMENT
    done = subprocess.run(command, cwd=repo, env=environment, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stderr


def new_repo(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository below a folder, which no settings of the machine reach."""
    for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    repo = folder / "repo"
    repo.mkdir()
    dvc(repo, "init", "--no-scm", "--quiet")
    return repo
