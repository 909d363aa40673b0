"""A pipeline and a profile become one package that KFP runs, here or on a cluster."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.profiles import Profile
from voco_model.errors import VocoError

PIPELINES = ("retraining", "evaluation", "promotion", "audit")
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


@dataclass(frozen=True)
class Images:
    """The container images of a pipeline's tasks."""

    cpu: str
    gpu: str

    @classmethod
    def by_digest(cls, cpu: str, gpu: str) -> "Images":
        """For a cluster: a tag may mean another image tomorrow, and the cache would not know."""
        for image in (cpu, gpu):
            if not DIGEST.search(image):
                raise VocoError(
                    f"image {image!r} names no digest; give it as NAME@sha256:..., as `docker images --digests`"
                    " shows it"
                )
        return cls(cpu, gpu)

    @classmethod
    def local(cls) -> "Images":
        """Names for this machine's own code, so that other code means other work to the cache."""
        from components.stepping.record import code

        name = f"python@sha256:{code().sha256}"
        return cls(name, name)


def compile_pipeline(
    name: str,
    profile: Profile,
    out: Path,
    images: Images,
    *,
    configure: Callable[[str, Any], None] | None = None,
    caching: bool = True,
    fresh: Collection[str] = (),
) -> Path:
    """Write the package `out`.

    configure: gives a task what it needs of a cluster: resources, secrets, volumes, retries.
    """
    from kfp import compiler

    from pipelines.tasks import ON_GPU

    def place(task: str, node: Any) -> None:
        node.set_container_image(images.gpu if task in ON_GPU else images.cpu)
        if configure is not None:
            configure(task, node)

    out.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(_graph(name, profile, place, caching, fresh), str(out))
    return out


def _graph(name: str, profile: Profile, place: Any, caching: bool, fresh: Collection[str]) -> Any:
    if name not in PIPELINES:
        raise VocoError(f"no pipeline {name}; there are {', '.join(PIPELINES)}")
    import importlib

    from pipelines.caching import Caching

    module = importlib.import_module(f"pipelines.{name}")
    return getattr(module, name)(profile, place, Caching(caching, fresh))
