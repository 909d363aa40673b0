"""What tracking costs a training step: figures on their way to the spool, and the looks at the machine.

    python -m tests.benchmarks.tracking [--steps 60] [--report-every 1] [--out FILE]

A tiny model is trained; what is spent in telling is timed inside of the run, so that what else the machine does
meets both. A look at the machine is timed by itself and set against the time between two. The goal is 1 %.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from components.tracking.sinks import SpoolSink
from components.tracking.surroundings import EVERY, Watch
from tests.voco_model.data.small_sets import Item, png, write
from voco_model.training.recipe import Recipe
from voco_model.training.run import train

GOAL = 0.01
LOOKS = 50


def recipe(folder: Path, steps: int, report_every: int) -> Recipe:
    return Recipe.model_validate(
        {
            "stage": "instruct",
            "out": folder / "run",
            "steps": steps,
            "start": {"preset": "tiny"},
            "data": {"folders": [folder / "set"], "batch_size": 16, "workers": 0},
            "optimiser": {"lr": 1e-4},
            "saving": {"report_every": report_every},
        }
    )


def measure(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    write(folder / "set", [Item(media=png(n), answer="A short caption of it.") for n in range(64)])
    sink, told, moments = SpoolSink(folder / "spool", "instruct"), [], []

    def report(figures: dict[str, float | str]) -> None:
        start = time.perf_counter()
        numbers = {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
        sink.figures(int(numbers.pop("step", 0)), numbers)
        moments.append(time.perf_counter())
        told.append(moments[-1] - start)

    train(recipe(folder, options.steps, options.report_every), report=report)
    between = [later - earlier for earlier, later in pairwise(moments)]
    telling = statistics.median(a / b for a, b in zip(told[1:], between, strict=True))
    looking = _seconds_of_a_look() / EVERY
    return {
        "name": "tracking over a training step",
        "telling": telling,
        "looking": looking,
        "share": telling + looking,
        "goal": GOAL,
        "seconds_of_a_report": statistics.median(told),
        "seconds_between_reports": statistics.median(between),
        "reports": len(told),
        "cores": os.cpu_count(),
        "command": "python -m tests.benchmarks.tracking",
    }


def _seconds_of_a_look() -> float:
    """The processor time of looks without a pause, over their number."""
    count = 0

    def tell(number: int, figures: object) -> None:
        nonlocal count
        count = number + 1

    start = time.process_time()
    with Watch(tell, every=1e-3):
        end = time.monotonic() + 60
        while count < LOOKS and time.monotonic() < end:
            time.sleep(1e-3)
    return (time.process_time() - start) / max(count, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--report-every", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = json.dumps(measure(Path(folder), options), indent=1)
    print(found)
    if options.out:
        options.out.write_text(found + "\n", "utf-8")


if __name__ == "__main__":
    main()
