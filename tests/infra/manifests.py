"""The overlays as `kubectl kustomize` builds them, and the pods within them wherever they stand."""

import functools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "infra/kubernetes"
OVERLAYS = ("local", "staging", "production")
Document = dict


@functools.cache
def built(overlay: str) -> str:
    """An overlay's whole YAML."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed, so overlays cannot be built")
    command = ["kubectl", "kustomize", str(KUBERNETES / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(overlay: str) -> list[Document]:
    return list(yaml.safe_load_all(built(overlay)))


def pods(overlay: str) -> Iterator[tuple[str, Document]]:
    """Every pod template's name and spec, those of custom kinds included."""
    for document in documents(overlay):
        name = f"{document['kind']}/{document['metadata']['name']}"
        for number, spec in enumerate(_pod_specs(document)):
            yield f"{name}[{number}]", spec


def _pod_specs(value: object) -> Iterator[Document]:
    if isinstance(value, dict):
        if "containers" in value:
            yield value
        else:
            for inner in value.values():
                yield from _pod_specs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pod_specs(inner)
