"""The project's image, built from its own Dockerfile over a base that needs no registry."""

import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.docker import DockerEngine

ROOT = Path(__file__).parents[2]
BASE, IMAGE = "voco-base:debian", "voco-pipeline:test"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"


def import_base(engine: DockerEngine) -> str:
    """Debian with its Python, in the place of python:3.11-slim, with the certificates that this machine trusts."""
    with tempfile.TemporaryDirectory(prefix="voco-base-") as place:
        root, archive = Path(place) / "root", Path(place) / "base.tar"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
        subprocess.run(command, check=True, capture_output=True, timeout=900)
        shutil.copy(_trusted(), root / "etc/ssl/certs/ca-certificates.crt")
        subprocess.run(["tar", "--create", "--file", archive, "--directory", root, "."], check=True, timeout=300)
        engine.call("import", archive, BASE, seconds=300)
    return BASE


def build_image(engine: DockerEngine, context: Path, base: str, tag: str = IMAGE) -> str:
    """The target `cpu`, from a folder as `project_copy` makes it."""
    arguments = ["--build-arg", f"BASE={base}"]
    if any((context / "infra/docker/wheels").glob("torch-*.whl")):
        arguments += ["--build-arg", "TORCH_BACKEND="]
    dockerfile = context / "infra/docker/Dockerfile"
    engine.call(
        *("build", "--network", "host", "--target", "cpu", "--file", dockerfile, "--tag", tag),
        *arguments,
        context,
        seconds=1800,
    )
    return tag


@contextmanager
def project_copy() -> Iterator[Path]:
    """The project's tracked files, and the torch wheel that this machine prefers, where it names one."""
    with tempfile.TemporaryDirectory(prefix="voco-context-") as place:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (Path(place) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, Path(place) / name)
        for folder in os.environ.get("PIP_FIND_LINKS", "").split():
            for wheel in Path(folder).glob("torch-*.whl"):
                shutil.copy(wheel, Path(place) / "infra/docker/wheels")
        yield Path(place)


def _trusted() -> Path:
    """This machine's certificate authorities, in one file."""
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    return Path(named or "/etc/ssl/certs/ca-certificates.crt")
