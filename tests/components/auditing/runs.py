"""A whole run, small: ingest, promotion and audit are the real steps, the others write a file each."""

import json
import sys
from types import ModuleType

import yaml

import components.audit
import components.ingest
import components.promote  # before the steps are stood in for, of which it reads constants
from components.auditing import checking
from components.stepping import record as recording
from components.stepping.code import Code
from components.stepping.job import Done
from components.stepping.perform import Assignment, perform
from tests.components.promoting.models import left_by_steps
from tests.voco_model.data.small_sets import png

CODE = Code("c0ffee" * 6 + "c0ff", False, "a" * 64)
READS = {
    "ingest": {},
    "validate": {"data": "ingest"},
    "summarise": {"data": "ingest"},
    "profile": {"data": "ingest"},
    "export": {"data": "ingest", "tables": "summarise"},
    "promote": {
        "exported": "export",
        "tables": "summarise",
        "efficiency": "profile",
        "report": "validate",
        "data": "ingest",
    },
}
MAKES = {
    "ingest": "data",
    "validate": "report",
    "summarise": "tables",
    "profile": "efficiency",
    "export": "exported",
    "promote": "verdict",
    "audit": "audit",
}


def whole_run(folder, monkeypatch, run="run-1", gate=None, made_up=False, **left):
    """Do it below `folder`; the records' paths by task, `audit` among them.

    gate: more that is asked for. made_up: ingest, too, leaves what `left_by_steps` gives.
    """
    prepared = left_by_steps(folder / "prepared", **left)
    asked = {"retention": [{"n_voco": 8, "at_least": 60, "by": "value"}]} | (gate or {})
    gate = folder / "gate.yaml"
    gate.write_text(yaml.safe_dump(asked))
    monkeypatch.setenv("VOCO_RUN", run)
    monkeypatch.setenv("VOCO_SPOOL", str(folder / "spool"))
    monkeypatch.setenv("VOCO_DVC_REMOTE", str(folder / "remote"))
    for module in (recording, components.promote):
        monkeypatch.setattr(module, "code", lambda: CODE)
    files = frozenset(f"components/{task}.py" for task in MAKES)
    commits = {CODE.commit: (CODE.sha256, files)}
    monkeypatch.setattr(checking, "_code_at", commits.get)
    for task in READS:
        if task != "promote" and (made_up or task != "ingest"):
            monkeypatch.setitem(sys.modules, f"components.{task}", _copying(task, prepared))
    for task, reads in READS.items():
        settings = {"gate": str(gate), "config_sha256": "c" * 64} if task == "promote" else {"seed": 3}
        if task == "ingest" and not made_up:
            settings = raw_data(folder / "raw")
        _do(folder, task, {name: folder / "out" / other / name for name, other in reads.items()}, settings)
    _do(folder, "audit", {task: folder / "out" / task / "record" for task in READS}, {})
    return {task: folder / "out" / task / "record" for task in MAKES}


def raw_data(folder):
    """Three pictures with their captions and a benchmark's questions; the settings that ingest them."""
    (folder / "pictures").mkdir(parents=True)
    (folder / "benchmarks" / "gqa").mkdir(parents=True)
    records = []
    for n in range(3):
        (folder / "pictures" / f"{n}.png").write_bytes(png(n, (64, 48)))
        turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": f"Noise of kind {n}."}]
        records.append({"id": str(n), "image": f"{n}.png", "conversations": turns})
    (folder / "captions.json").write_text(json.dumps(records))
    (folder / "benchmarks" / "gqa" / "questions.json").write_text('{"1": {"question": "What?"}}')
    captions = {"kind": "llava_pretrain", "annotations": "captions.json", "media": "pictures"}
    benchmarks = {"source": str(folder / "benchmarks"), "names": ["gqa"]}
    return {"source": str(folder), "sets": {"captions": captions}, "benchmarks": benchmarks}


def _do(folder, task, inputs, settings):
    out = folder / "out" / task
    perform(Assignment(task, task, settings, inputs, {MAKES[task]: out / MAKES[task]}, out / "record"))


def _copying(task, prepared):
    module = ModuleType(f"components.{task}")

    def step(job):
        prepared[MAKES[task]].rename(job.outputs[MAKES[task]])
        values = {"passed": "yes"} if task == "validate" else {}
        return Done({"answer": 42.0, "unknown": float("nan")}, values)

    module.step = step
    return module
