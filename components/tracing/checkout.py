"""The code that a step ran with: its commit, checked out into a folder of its own for as long as it is needed."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.stepping.code import LONGEST, ROOT, SOURCES, Code, code_at
from voco_model.errors import VocoError

HERE = "--here runs the code as it is here"


@contextmanager
def checked_out(code: Code, owner: str) -> Iterator[Path]:
    """A folder with exactly that code; refused where nobody can have it any more."""
    if code.commit is None:
        raise VocoError(f"{owner}: no commit is known of the code that it ran with; {HERE}")
    if code.dirty:
        raise VocoError(f"{owner}: ran from files that differed from commit {code.commit[:12]}; {HERE}")
    found = code_at(code.commit)
    if found is None:
        raise VocoError(
            f"{owner}: commit {code.commit[:12]} is not in this repository; fetch it with git, or {HERE}"
        )
    if found != code.sha256:
        raise VocoError(f"{owner}: commit {code.commit[:12]} holds other files than those that ran; {HERE}")
    with tempfile.TemporaryDirectory(prefix="voco-code-") as folder:
        path = Path(folder) / "code"
        _git("worktree", "add", "--detach", "--force", str(path), code.commit)
        try:
            yield path
        finally:
            _git("worktree", "remove", "--force", str(path))


def changes(before: str | None, after: str | None) -> str | None:
    """`git diff --stat` of the source files; None where this repository does not have both commits."""
    if not (before and after and before.isalnum() and after.isalnum()):
        return None
    try:
        return _git("diff", "--stat=100", before, after, "--", *SOURCES).rstrip() or None
    except VocoError:
        return None


def _git(*arguments: str) -> str:
    """What git prints. Hooks of the repository are none of a checkout's business."""
    given = {"GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-c", f"core.hooksPath={os.devnull}", *arguments],
            cwd=ROOT,
            env=os.environ | given,
            capture_output=True,
            text=True,
            timeout=10 * LONGEST,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VocoError(f"git {arguments[0]}: {error}; install git, or {HERE}") from None
    if done.returncode:
        why = " ".join(done.stderr.split())[:300]
        raise VocoError(f"git {' '.join(arguments[:2])} failed ({why}); mend that, or {HERE}")
    return done.stdout
