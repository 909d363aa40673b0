"""Servers that tests of every part may ask for; each is started once, by the first that does."""

import shutil
from collections.abc import Iterator

import pytest

from tests.servers.docker import DockerEngine, running_docker, what_is_missing
from tests.servers.image import build_image, import_base, project_copy
from tests.servers.object_store import ObjectStore, missing_programs, running_object_store
from tests.servers.postgres import Postgres, programs, running_postgres


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """A real S3 server on loopback."""
    if missing := missing_programs():
        pytest.skip(f"no S3 server here: {', '.join(missing)} are missing; `.ci/packages` installs them")
    with running_object_store() as store:
        yield store


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server on loopback with an empty database `mlflow`."""
    if not programs():
        pytest.skip("no PostgreSQL here: initdb is missing; `.ci/packages` installs postgresql")
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """A Docker Engine with its own store of images."""
    if missing := what_is_missing():
        pytest.skip(f"no containers here: {missing}")
    with running_docker() as engine:
        yield engine


@pytest.fixture(scope="session")
def base_image(docker_engine: DockerEngine) -> str:
    """A base for the project's image."""
    if not shutil.which("debootstrap"):
        pytest.skip("no base image here: debootstrap is missing; `.ci/packages` installs it")
    return import_base(docker_engine)


@pytest.fixture(scope="session")
def project_image(docker_engine: DockerEngine, base_image: str) -> str:
    """The project's own image for CPUs."""
    with project_copy() as context:
        return build_image(docker_engine, context, base_image)
