"""Steps of a local run in containers: which image, whose user, what they see of this machine."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.attesting.keys import FOLDER, KEY_FILE, MOUNTED, TRUSTED, is_private
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
        mounts=[Mount(target=str(home), source=str(home), type="bind"), *_key()],
    )


def _key() -> list[Any]:
    """A signing key that the environment names lies where a cluster's secret would."""
    from docker.types import Mount

    given = os.environ.get(KEY_FILE)
    if not given:
        return []
    source = str(Path(given).absolute())
    return [Mount(target=str(MOUNTED / "key.pem"), source=source, type="bind", read_only=True)]


def open_to_steps(home: Path) -> None:
    """Where root starts the run, a step's user is another, and writes below the home: database, spool, outputs.

    From here on, this process makes files that others may write.
    """
    if os.getuid():
        return
    os.umask(0)
    (home / "outputs").mkdir(parents=True, exist_ok=True)  # else Docker makes it, and as its own
    home.chmod(0o777)
    (home / FOLDER / TRUSTED).mkdir(parents=True, exist_ok=True)  # a step's user adds the key that it signs with
    for path in home.rglob("*"):
        if path.stat().st_uid == 0 and not path.is_symlink() and not is_private(path):
            path.chmod(path.stat().st_mode | (0o777 if path.is_dir() else 0o666))
