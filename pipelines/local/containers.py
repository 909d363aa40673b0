"""Steps of a local run in containers: which image, whose user, what they see of this machine."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voco_model.errors import VocoError

REPOSITORY = "voco-run"
USER = 10001
"""The image's own, where whoever starts the run is root: no step runs as root."""


@dataclass(frozen=True)
class Container:
    """An image of the Docker Engine that DOCKER_HOST names."""

    reference: str
    """A name that means this image for good."""
    id: str

    @classmethod
    def of(cls, image: str) -> "Container":
        """Find the image, and give it a name by its content: KFP's cache goes by names."""
        import docker

        try:
            client = docker.from_env()
            found = client.images.get(image)
            short = found.id.removeprefix("sha256:")[:16]
            found.tag(REPOSITORY, tag=short)
        except docker.errors.ImageNotFound:
            raise VocoError(f"--image {image}: the Docker Engine has no such image; build or pull it") from None
        except docker.errors.DockerException as error:
            raise VocoError(
                f"--image {image}: no Docker Engine answers ({error}); start it, or export DOCKER_HOST"
            ) from None
        return cls(f"{REPOSITORY}:{short}", found.id)


def docker_runner(home: Path, environment: dict[str, str]) -> Any:
    """KFP's runner: the run's home at its own path, this machine's network, a user that is not root."""
    from docker.types import Mount
    from kfp import local

    user = os.getuid() or USER
    return local.DockerRunner(
        user=f"{user}:{os.getgid() or USER}",
        network_mode="host",
        environment=environment,
        mounts=[Mount(target=str(home), source=str(home), type="bind")],
    )


def open_to_all(home: Path) -> None:
    """A step's user is not who started the run, where that is root; it writes below these folders."""
    for name in ("outputs", "work", "dvc-remote", "cache"):
        (home / name).mkdir(parents=True, exist_ok=True)
        (home / name).chmod(0o777)
