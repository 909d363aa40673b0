"""Servers that tests of every part may ask for; each is started once, by the first that does."""

import shutil
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database; a copy is ready at once, and making one takes seconds."""
    from components.tracking.runs import client_of

    path = tmp_path_factory.mktemp("mlflow") / "template.db"
    client_of(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def mlflow_uri(mlflow_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of the test's own, and no other that the environment names."""
    for name in ("VOCO_SPOOL", "VOCO_RUN", "VOCO_DVC_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOCO_HOME", str(tmp_path / "home"))
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    shutil.copyfile(mlflow_template, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri
