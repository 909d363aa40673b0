"""The benchmarks by name: each module here defines one."""

from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules

from voco_model.errors import VocoError
from voco_model.evaluation.benchmark import Benchmark


def names() -> list[str]:
    """Every benchmark that is known."""
    return sorted(module.name for module in iter_modules(__path__))


@lru_cache
def by_name(name: str) -> Benchmark:
    """The benchmark; an unknown name is told the known ones."""
    if name not in names():
        raise VocoError(f"no benchmark {name!r}; known: {', '.join(names())}")
    benchmark: Benchmark = import_module(f"{__name__}.{name}").BENCHMARK
    return benchmark
