"""This machine: Python, packages, GPU, disk."""

import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from pipelines.doctoring.finding import Finding, absent, bad, good
from voco_model.errors import VocoError

ROOT = Path(__file__).parents[2]
PROJECT = "voco-pipeline"
LEAST_GIB = 5.0
"""What a run of the profile tiny and its remote take, with room to spare."""
EXTRAS = ("", "pipelines", "training")
"""Of the project's requirements: those that a run needs."""


def python() -> Finding:
    """3.11 or newer."""
    found = platform.python_version()
    if tuple(map(int, platform.python_version_tuple()[:2])) < (3, 11):
        return bad(f"Python {found}; 3.11 is needed", "make PYTHON=python3.11 venv")
    return good(f"Python {found}")


def packages(constraints: Path = ROOT / "constraints.txt") -> Finding:
    """What the project requires, and at the versions that were tested together."""
    from packaging.requirements import Requirement

    missing, other = [], []
    for text in metadata.requires(PROJECT) or []:
        requirement = Requirement(text)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in EXTRAS):
            continue
        version = _version(requirement.name)
        if version is None:
            missing.append(requirement.name)
        elif not requirement.specifier.contains(version, prereleases=True):
            other.append(f"{requirement.name} {version}, wanted {requirement.specifier}")
    pins = _pins(constraints)
    other += [f"{name} {found}, tested {wanted}" for name, found, wanted in _differing(pins)]
    if missing:
        return bad(f"missing: {', '.join(missing)}", "make venv")
    if other:
        return bad(f"{len(other)} at other versions: {'; '.join(other[:3])}", "make venv")
    return good(f"as required{f', {len(pins)} pins' if pins else ''}")


def gpu() -> Finding:
    """By the driver's own word."""
    if shutil.which("nvidia-smi") is None:
        return absent("no NVIDIA GPU here; the profiles tiny and small run without")
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode or not lines:
        return bad("nvidia-smi is here, but sees no GPU", "is the driver loaded? `nvidia-smi` says more")
    return good(f"{len(lines)} x {lines[0]}")


def disk(home: Path) -> Finding:
    """Room where runs keep what they make."""
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free / 2**30
    if free < LEAST_GIB:
        return bad(
            f"{free:.1f} GiB free below {there}, {LEAST_GIB:g} are needed",
            f"free some, or export VOCO_HOME; `rm -r {home}` removes earlier runs",
        )
    probe = there / f".voco-doctor-{platform.node()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        return bad(f"{there}: cannot be written ({error.strerror})", "export VOCO_HOME to a folder of yours")
    return good(f"{free:.0f} GiB free for {home}")


def _pins(constraints: Path) -> dict[str, str]:
    """Package to version; none where the file is not, as in an image."""
    if not constraints.is_file():
        return {}
    lines = [line.partition("#")[0].strip() for line in constraints.read_text("utf-8").splitlines()]
    pairs = [line.split("==", 1) for line in lines if "==" in line]
    if not pairs:
        raise VocoError(f"{constraints}: holds no pins; `git checkout {constraints.name}`")
    return {name.strip(): version.partition(";")[0].strip() for name, version in pairs}


def _differing(pins: dict[str, str]) -> list[tuple[str, str, str]]:
    """Installed packages at another version than pinned; a local build such as +cpu is the same one."""
    found = [(name, _version(name), wanted) for name, wanted in pins.items()]
    return [(n, have, wanted) for n, have, wanted in found if have and have.partition("+")[0] != wanted]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
