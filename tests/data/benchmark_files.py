"""What tests of the benchmark files share: the one world that they read, and how."""

import json
import re
from pathlib import Path

import pytest

from data.world.scenes import make_clip, make_scene

SEED, LEVEL, QUESTIONS, CLIPS = 7, 2, 120, 12
GENUINE = Path(__file__).parents[2].parent / "shared" / "benchmarks"


def load(path):
    return json.loads(path.read_text("utf-8"))


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def genuine(name):
    path = GENUINE / name
    if not path.is_file():
        pytest.skip(f"{name}: the genuine excerpt is not here")
    return path


def scene(number):
    return make_scene(SEED, "test", int(number), LEVEL)


def clip(number):
    return make_clip(SEED, "test", int(number), LEVEL)


def last_number(name):
    return int(re.findall(r"\d+", name)[-1])


def kinds(record):
    """Keys with the types of their values."""
    return {key: type(value).__name__ for key, value in record.items()}
