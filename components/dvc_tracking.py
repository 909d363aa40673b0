"""DVC: a data set's manifest and shards under one pointer, `data/NAME.dvc`, kept in a remote by config."""

import os
import subprocess
import sys
from pathlib import Path

from voco_model.errors import VocoError

REMOTE = "storage"
ENVIRONMENT = {"DVC_NO_ANALYTICS": "1"}
LONGEST = 24 * 3600
"""Seconds for one DVC command; a push of a large data set takes hours."""


def track(
    folder: Path,
    repo: Path,
    *,
    remote_url: str | None = None,
    endpoint_url: str | None = None,
    push: bool = False,
) -> Path:
    """Put a data set under DVC; gives the pointer file, which belongs into git.

    folder: the data set. One outside `repo/data` is copied into DVC's cache and linked to `repo/data/NAME`.
    repo: a folder with `.dvc`.
    remote_url, endpoint_url: a folder or `s3://bucket/prefix` that becomes the default remote; without them,
        the one that the repository has.
    push: copy the content to the remote too.
    """
    if not (repo / ".dvc").is_dir():
        raise VocoError(f"{repo}: no DVC repository; run `dvc init` there (`dvc init --no-scm` without git)")
    if not folder.is_dir():
        raise VocoError(f"{folder}: no such data set folder; run `voco ingest` first")
    if remote_url:
        _dvc(repo, "remote", "add", "--default", "--force", REMOTE, remote_url)
        if endpoint_url:
            _dvc(repo, "remote", "modify", REMOTE, "endpointurl", endpoint_url)
    (repo / "data").mkdir(exist_ok=True)
    inside = repo.resolve() / "data" / folder.name
    if folder.resolve() == inside:
        _dvc(repo, "add", "--quiet", f"data/{folder.name}")
    else:
        _dvc(repo, "add", "--quiet", str(folder.resolve()), "--out", f"data/{folder.name}")
    pointer = repo / "data" / f"{folder.name}.dvc"
    if push:
        _dvc(repo, "push", "--quiet", str(pointer.relative_to(repo)))
    return pointer


def _dvc(repo: Path, *arguments: str) -> None:
    """One DVC command; what it says about a failure becomes one line."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=repo,
        env=os.environ | ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.startswith("ERROR")]
        why = " ".join(said)[:400] or f"exit status {done.returncode}"
        raise VocoError(f"{repo}: dvc {arguments[0]} failed ({why}); mend that, then run it again")
