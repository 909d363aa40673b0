"""A repository with two small steps in the place of this one, and a run of them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from components.auditing.lineage import gather, write_lineage
from components.stepping import code as coding
from components.tracing import checkout, reproducing
from components.tracing.rerun import PROGRAM

ROOT = Path(__file__).parents[3]
TAKEN = (
    "components/__init__.py",
    "components/dvc_*.py",
    *(f"components/{package}/*.py" for package in ("stepping", "tracking", "attesting")),
    *(f"voco_model/{name}.py" for name in ("__init__", "errors", "files")),
    "pipelines/__init__.py",
    "data/__init__.py",
)
"""Patterns of what a step's process imports, whatever the step."""
TOY_DATA = """
from components.stepping.job import Done

def step(job):
    job.outputs["data"].mkdir()
    (job.outputs["data"] / "a.txt").write_text("three")
    return Done()
"""
TOY_TRAIN = """
import json, os, time
import numpy as np
from safetensors.numpy import save_file
from components.stepping.job import Done

def step(job):
    out = job.outputs["model"]
    out.mkdir()
    time.sleep(float(os.environ.get("TOY_SLEEP", 0)))
    told = {"threads": os.environ.get("OMP_NUM_THREADS"), "seed": job.setting("seed")}
    (out / "config.json").write_text(json.dumps(told))
    letters = len((job.input("data") / "a.txt").read_text())
    noise = float(os.environ.get("TOY_NOISE", 0))
    tensors = {"a": np.zeros(3, "float32"), "w": np.array([letters, -letters + noise], "float32")}
    save_file(tensors, out / "model.safetensors")
    return Done()
"""


def git(root, *arguments):
    """As somebody who has a name."""
    who = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    done = subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def repository(folder, names, monkeypatch, **written):
    """Those files of this one in a repository of their own, with one commit; code is looked for there."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    for name, text in written.items():
        (folder / "components" / f"{name}.py").write_text(text)
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    for module in (coding, checkout, reproducing):
        monkeypatch.setattr(module, "ROOT", folder)
    return folder


def toy_repository(folder, monkeypatch):
    """With the steps `toy_data` and `toy_train`."""
    names = [path.relative_to(ROOT) for pattern in TAKEN for path in ROOT.glob(pattern)]
    return repository(folder, names, monkeypatch, toy_data=TOY_DATA, toy_train=TOY_TRAIN)


def do(code, run, step, output, settings, inputs, **environment):
    """One step, with the code of a folder; where its record lies."""
    out = run / step
    given = {"step": step, "task": step, "label": None, "settings": settings, "record": str(out / "record")}
    given |= {"inputs": {n: str(p) for n, p in inputs.items()}, "outputs": {output: str(out / output)}}
    out.mkdir(parents=True)
    (out / "given.json").write_text(json.dumps(given))
    told = {"PYTHONPATH": str(code), "VOCO_HOME": str(run / "home"), "VOCO_DVC_REMOTE": str(run / "remote")}
    taken = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "VOCO_SPOOL", "TOY_NOISE")}
    program = [sys.executable, "-c", PROGRAM, str(out / "given.json")]
    done = subprocess.run(
        program, cwd=code, env=taken | told | environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return out / "record"


def toy_run(code, run, **environment):
    """Both steps; the lineage's file."""
    first = do(code, run, "toy_data", "data", {}, {}, **environment)
    inputs = {"data": run / "toy_data/data"}
    second = do(code, run, "toy_train", "model", {"seed": 3}, inputs, **environment)
    # The reader first, as a run's records come in any order.
    return write_lineage(gather({"toy_train": second, "toy_data": first}, "run-1"), run)
