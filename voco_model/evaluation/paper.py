"""The paper's figures (arXiv 2406.12275) that ours stand beside: Vicuna-7B, 576 vision tokens."""

UPPER = {
    "gqa": 61.1,
    "mmbench": 64.0,
    "mme": 1487.2,
    "pope": 85.0,
    "seed_bench": 57.9,
    "scienceqa": 66.5,
    "vqav2": 77.7,
}
"""All vision tokens in sight."""
LOWER = {
    "gqa": 37.7,
    "mmbench": 22.3,
    "mme": 617.3,
    "pope": 53.9,
    "seed_bench": 36.9,
    "scienceqa": 60.7,
    "vqav2": 41.2,
}
"""The same model through the rule, which it never learned."""
VOCO: dict[str, dict[int, float]] = {
    "gqa": {1: 57.0, 2: 57.7, 4: 58.4, 8: 59.2, 16: 59.4, 32: 60.2, 64: 60.4, 128: 59.8},
    "mmbench": {1: 58.8, 2: 60.1, 4: 60.4, 8: 58.7, 16: 58.6, 32: 59.4, 64: 60.5, 128: 61.0},
    "vqav2": {1: 72.3, 2: 73.5, 4: 74.5, 8: 75.3, 16: 75.4, 32: 75.3, 64: 75.4, 128: 76.9},
    "seed_bench": {1: 53.7, 2: 55.0, 4: 56.0, 8: 56.3, 16: 56.2, 32: 56.2, 64: 56.3, 128: 59.1},
    "mme": {1: 1323.3},
    "pope": {1: 81.4},
    "scienceqa": {1: 65.4},
}
"""By the number of VoCo tokens."""
SAVED = {"cache": 99.8, "flops": 94.8, "time": 69.6}
"""Percent of a question's cost that a VoCo cache saves: bytes against a full cache, the others against none."""


def retention(benchmark: str, n_voco: int) -> float | None:
    """What the paper's figures retain, in percent; None where it has none."""
    value = VOCO.get(benchmark, {}).get(n_voco)
    if value is None:
        return None
    return 100 * (value - LOWER[benchmark]) / (UPPER[benchmark] - LOWER[benchmark])


def mean_retention(benchmarks: list[str], n_voco: int) -> float | None:
    """The mean over these benchmarks; None where the paper lacks one of them."""
    found = [retention(name, n_voco) for name in benchmarks]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known and len(known) == len(found) else None
