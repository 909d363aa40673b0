"""The benchmark files of one small world, written once for all tests that read them."""

import pytest

from data.world.benchmarks import write_all
from tests.data.benchmark_files import CLIPS, LEVEL, QUESTIONS, SEED


@pytest.fixture(scope="session")
def benchmark_world(tmp_path_factory):
    """The folder, and what was written about each benchmark."""
    out = tmp_path_factory.mktemp("world")
    return out, write_all(out, SEED, LEVEL, QUESTIONS, CLIPS)


@pytest.fixture(scope="session")
def root(benchmark_world):
    return benchmark_world[0] / "benchmarks"
