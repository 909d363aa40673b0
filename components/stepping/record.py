"""The record of a step: what it was given, what it made, by which code, each with its digest."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from components.stepping.digests import Content, canonical, files_below, text_digest
from voco_model.errors import VocoError
from voco_model.files import whole_file

FORMAT = 1
ROOT = Path(__file__).parents[2]
SOURCES = ("voco_model", "components", "pipelines", "data")
"""Packages whose files are the code."""


@dataclass(frozen=True)
class Code:
    """Which code ran."""

    commit: str | None
    """Of git; None where there is no repository, as in an image built without one."""
    dirty: bool
    """Whether files differ from that commit."""
    sha256: str
    """Over all source files as they are."""


@dataclass(frozen=True)
class Record:
    """One step of one run. Inputs and outputs are named as in the graph."""

    run: str
    """The pipeline run."""
    task: str
    step: str
    started: str
    """UTC, ISO 8601."""
    seconds: float
    config: Mapping[str, Any]
    config_sha256: str
    code: Code
    image: str | None
    """The container image with its digest; None on a machine without."""
    python: str
    packages_sha256: str
    """Over `name==version` lines of everything installed."""
    seed: int | None
    inputs: Mapping[str, Content]
    outputs: Mapping[str, Content]
    figures: Mapping[str, float]
    values: Mapping[str, str]
    kept: Mapping[str, str]
    """Output to where a copy is kept under its digest, such as a DVC remote; empty where nowhere."""
    format: int = FORMAT

    def write(self, path: Path) -> None:
        """One JSON file, always the same for the same record."""
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n", "utf-8")

    @property
    def sha256(self) -> str:
        """What this record is called."""
        return text_digest(asdict(self))


def read_record(path: Path) -> Record:
    """A record from its file."""
    try:
        values = json.loads(path.read_text("utf-8"))
        if values.get("format") != FORMAT:
            raise VocoError(f"{path}: a record of format {values.get('format')}; this version reads {FORMAT}")
        contents = {
            side: {name: Content.from_mapping(one) for name, one in values[side].items()}
            for side in ("inputs", "outputs")
        }
        return Record(**values | contents | {"code": Code(**values["code"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, VocoError):
            raise
        raise VocoError(f"{path}: not a step's record ({error})") from None


@cache
def code() -> Code:
    """Which code this process runs."""
    lines = []
    import hashlib

    for package in SOURCES:
        for file in files_below(ROOT / package):
            if "__pycache__" not in file.parts and file.suffix in (".py", ".yaml", ".safetensors", ".json"):
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                lines.append(f"{digest}  {file.relative_to(ROOT).as_posix()}\n")
    commit = _git("rev-parse", "HEAD") or os.environ.get("VOCO_COMMIT") or None
    return Code(commit, bool(_git("status", "--porcelain")), hashlib.sha256("".join(lines).encode()).hexdigest())


@cache
def packages() -> str:
    """`name==version` of everything installed, a line each."""
    found = {f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions()}
    return "".join(f"{line}\n" for line in sorted(found, key=str.lower))


def config_digest(settings: Mapping[str, Any]) -> str:
    """What a section is called."""
    return text_digest(json.loads(canonical(settings)))


def environment() -> dict[str, Any]:
    """What a record says of where it was made."""
    return {
        "code": code(),
        "image": os.environ.get("VOCO_IMAGE") or None,
        "python": platform.python_version(),
        "packages_sha256": text_digest(packages()),
    }


def _git(*arguments: str) -> str:
    if not (ROOT / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
