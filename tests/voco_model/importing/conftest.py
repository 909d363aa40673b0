"""One checkpoint, its tower and its import, made once for all tests here; none changes them."""

import pytest

from tests.voco_model.importing.checkpoints import World, read


@pytest.fixture(scope="session")
def world():
    return World()


@pytest.fixture(scope="session")
def tower(world, tmp_path_factory):
    return world.write_clip(tmp_path_factory.mktemp("clip") / "clip")


@pytest.fixture(scope="session")
def imported(world, tower, tmp_path_factory):
    return read(world.write(tmp_path_factory.mktemp("voco") / "voco"), tower)
