"""How long an audit takes: of a run with a thousand artifacts without reading them, and reading every byte.

python -m tests.benchmarks.auditing [--artifacts 1000] [--mebibytes 2048] [--out FILE]

The second figure: bytes read in a second, over those that sha256 alone takes of the same files, already in memory.
"""

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from components.auditing.lineage import gather, signed_lineage, write_lineage
from components.stepping.job import Done, Job
from components.stepping.perform import Assignment, perform

GOAL_SECONDS, GOAL_SHARE = 5.0, 0.8
PER_STEP = 50


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--artifacts", type=int, default=1000)
    parser.add_argument("--mebibytes", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voco-auditing-") as folder:
        os.environ["VOCO_HOME"] = f"{folder}/home"
        for name in ("VOCO_DVC_REMOTE", "VOCO_SPOOL", "MLFLOW_TRACKING_URI", "VOCO_SIGNING_KEY_FILE"):
            os.environ.pop(name, None)
        many = made(Path(folder) / "many", options.artifacts, 1000)
        large = made(Path(folder) / "large", 16, options.mebibytes * 2**20 // 16)
        shallow = [seconds(lambda: audited(many)) for _ in range(options.repeats)]
        alone, deep = [], []
        for _ in range(options.repeats):  # in turns, so that what else the machine does meets both
            alone.append(seconds(lambda: hashed(large.parent)))
            deep.append(seconds(lambda: audited(large, "--deep")))
    share = statistics.median(a / d for a, d in zip(alone, deep, strict=True))
    found = {
        "command": "python -m tests.benchmarks.auditing",
        "artifacts": options.artifacts,
        "shallow_seconds": round(statistics.median(shallow), 3),
        "mebibytes": options.mebibytes,
        "sha256_mebibytes_per_second": round(options.mebibytes / statistics.median(alone)),
        "deep_mebibytes_per_second": round(options.mebibytes / statistics.median(deep)),
        "deep_share_of_sha256": round(share, 3),
        "cores": os.cpu_count(),
        "goal": {"shallow_seconds": GOAL_SECONDS, "deep_share_of_sha256": GOAL_SHARE},
    }
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def made(folder: Path, artifacts: int, size: int) -> Path:
    """A run of steps that each read the one before and make some files; its lineage."""
    records, before = {}, None
    module = ModuleType("components.summarise")  # stood in for: an audit asks whether the commit has the step
    module.step = write  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    for number in range(0, artifacts, PER_STEP):
        out = folder / f"step-{number}"
        outputs = {f"a{n}": out / f"a{n}" for n in range(number, min(number + PER_STEP, artifacts))}
        given = Assignment("summarise", out.name, {"size": size}, before or {}, outputs, out / "record")
        perform(given)
        records[out.name], before = out / "record", {"before": next(iter(outputs.values()))}
    from components.attesting.keys import signer_here

    return write_lineage(signed_lineage(gather(records, "by-hand"), signer_here()), folder)


def write(job: Job) -> Done:
    for path in job.outputs.values():
        path.write_bytes(os.urandom(job.settings["size"]))
    return Done()


def audited(path: Path, *more: str) -> None:
    """As a person calls it, in this process; nothing of it may be wrong."""
    from pipelines.cli import main as voco

    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        status = voco(["audit", str(path), "--format", "json", *more])
    if status == 1:
        raise SystemExit(f"{path}: the audit found something wrong; the figures would mean nothing")


def hashed(folder: Path) -> None:
    """What cannot be avoided, with one file after the other."""
    for path in sorted(folder.glob("step-*/a*")):
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256").hexdigest()


def seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
