"""What orchestration costs: a local run less the time in which at least one step was at its own work.

python -m tests.benchmarks.orchestration [--repeats 3] [--profile tiny] [--small] [--out FILE]

--small trains for a few steps only, so that a run takes a minute or two; the orchestration is the same.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from components.stepping.record import read_record
from tests.pipelines.test_local_run import SMALLER, environment

GOAL_SECONDS, GOAL_SHARE = 25.0, 0.10
OUTSIDE = ("look", "news", "notify")
"""Tasks that leave no record: their seconds are added as they say."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    settings = [f"--set={key}={value}" for key, value in SMALLER.items()] if options.small else []
    command = ["voco", "run", "--profile", options.profile, *settings]
    runs = []
    for _ in range(options.repeats):
        runs.append(one_run(command[1:]))
        print(json.dumps(runs[-1]), flush=True)
    found = {
        "command": " ".join(command),
        "runs": runs,
        "orchestration_seconds": statistics.median(run["orchestration"] for run in runs),
        "orchestration_share": statistics.median(run["orchestration"] / run["seconds"] for run in runs),
        "goal": {"seconds": GOAL_SECONDS, "share": GOAL_SHARE},
    }
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def one_run(arguments: list[str]) -> dict[str, float]:
    """A run in a home of its own, from nothing; and a fixed piece of work beside it, to compare machines by."""
    with tempfile.TemporaryDirectory(prefix="voco-orchestration-") as folder:
        home = Path(folder) / "home"
        before = fixed_work()
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pipelines.cli", *arguments],
            env=environment(home),
            check=True,
            capture_output=True,
            timeout=3600,
        )
        seconds = time.perf_counter() - start
        [summary] = [json.loads(path.read_text()) for path in home.glob("runs/*/summary.json")]
        own = union([span(path) for path in home.glob("outputs/*/**/record") if path.is_file()])
        own += sum(summary["tasks"].get(task, 0.0) for task in OUTSIDE)
        return {
            "seconds": round(seconds, 1),
            "own_work": round(own, 1),
            "orchestration": round(seconds - own, 1),
            "fixed_work_seconds": round((before + fixed_work()) / 2, 2),
        }


def span(path: Path) -> tuple[float, float]:
    """When a step was at work."""
    record = read_record(path)
    start = datetime.fromisoformat(record.started).timestamp()
    return start, start + record.seconds


def union(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one was."""
    total, until = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def fixed_work() -> float:
    """Seconds for the same arithmetic every time."""
    start = time.perf_counter()
    sum(i * i for i in range(10_000_000))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
