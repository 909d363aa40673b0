"""A step done once more, in its own process: recorded settings, inputs and threads, a given folder's code."""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.stepping.record import Record, read_record
from voco_model.errors import VocoError

PROGRAM = """
import json, sys
from pathlib import Path
from components.stepping.perform import Assignment, perform
from voco_model.errors import VocoError

given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
inputs, outputs = ({name: Path(path) for name, path in given[side].items()} for side in ("inputs", "outputs"))
try:
    perform(
        Assignment(
            step=given["step"], task=given["task"], settings=given["settings"], inputs=inputs, outputs=outputs,
            record=Path(given["record"]), label=given["label"],
        )
    )
except VocoError as error:
    sys.exit(f"voco: error: {error}")
"""
"""Speaks to whatever version of the code it is run with, so it is no module of this one."""
NOT_PASSED = (
    *("VOCO_RUN", "VOCO_SPOOL", "VOCO_DVC_REMOTE", "VOCO_WORK", "VOCO_IMAGE", "VOCO_COMMIT"),
    *("VOCO_SIGNING_KEY_FILE", "MLFLOW_TRACKING_URI"),
)
"""A step that is done again is told to nobody, kept nowhere, signed by nobody."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
LAST_LINES = 5


@dataclass(frozen=True)
class Again:
    """What came of it."""

    record: Record
    """Of this time."""
    outputs: Mapping[str, Path]


def rerun(record: Record, inputs: Mapping[str, Path], code: Path, folder: Path) -> Again:
    """Do the record's step with the code in `code`; everything that it writes lies below `folder`."""
    outputs = {name: folder / "out" / name for name in record.outputs}
    task = record.task.split(" ")[0]
    given = {
        "step": record.step,
        "task": task,
        "label": record.task if record.task != task else None,
        "settings": record.config,
        "inputs": {name: str(path.absolute()) for name, path in inputs.items()},
        "outputs": {name: str(path.absolute()) for name, path in outputs.items()},
        "record": str((folder / "record").absolute()),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "given.json").write_text(json.dumps(given), "utf-8")
    log = folder / "log.txt"
    print(f"{record.task}: at work; what it says is in {log} until it ends", file=sys.stderr, flush=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str((folder / "given.json").absolute())],
            cwd=code,
            env=_environment(record, code, folder),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            status = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if status:
        raise VocoError(f"{record.task}: could not be done again, it ended with {status}: {_said(log)}")
    return Again(read_record(folder / "record"), outputs)


def _environment(record: Record, code: Path, folder: Path) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if name not in NOT_PASSED}
    given |= {"PYTHONPATH": str(code), "VOCO_HOME": str((folder / "home").absolute())}
    given |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    given |= {"DVC_NO_ANALYTICS": "1", "GX_ANALYTICS_ENABLED": "false"}
    return given | (dict.fromkeys(THREADS, str(record.threads)) if record.threads else {})


def _said(log: Path) -> str:
    """Its error in one line, else the last that it said."""
    with log.open(encoding="utf-8", errors="replace") as file:
        last = deque((line.strip() for line in file if line.strip()), maxlen=LAST_LINES)
    told = [line.removeprefix("voco: error: ") for line in last if line.startswith("voco: error: ")]
    return (told or list(last) or ["it said nothing"])[-1][:500]
