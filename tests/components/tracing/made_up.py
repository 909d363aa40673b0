"""Whole runs with data sets and figures, small enough to reckon by hand."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.stepping.digests import text_digest
from tests.components.auditing import runs
from voco_model.data.manifest import SCHEMA
from voco_model.evaluation.items import Shares
from voco_model.evaluation.outcome import LOWER, UPPER, VOCO, Outcome, Row
from voco_model.evaluation.statistics import Interval

PICTURES = {"a": b"picture a", "b": b"picture b", "c": b"picture c"}
SETS = {
    "captions": [("1", "a", "one"), ("2", "b", "two")],
    "instructions": [("7", "b", "seven"), ("8", None, "text")],
}
"""Data set to its records: id, picture, words."""


def digest_of(picture):
    """As a manifest has it."""
    return hashlib.sha256(PICTURES[picture]).hexdigest()


def write_sets(data: Path, sets, gqa=b"questions"):
    """Manifests and a benchmark's file below a run's data."""
    for name, records in sets.items():
        rows = [dict.fromkeys(SCHEMA.names) | _row(name, *record) for record in records]
        (data / name).mkdir()
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), data / name / "manifest.parquet")
    (data / "benchmarks/gqa").mkdir(parents=True)
    (data / "benchmarks/gqa/questions.json").write_bytes(gqa)


def _row(kind, name, picture, words):
    return {
        "id": name,
        "digest": digest_of(picture) if picture else None,
        "bytes": 9,
        "turns": 2,
        "text_length": 3,
        "source": kind,
        "split": "train",
        "file": "f",
        "line": 1,
        "conversation": words,
        "media_kind": "image" if picture else "text",
        "media": picture,
    }


def write_outcome(tables: Path, right, questions):
    """gqa between bounds of 0 and 100 %: retention is accuracy."""
    rows = [
        _measured(VOCO, 8, [float(q in right) for q in range(questions)]),
        _measured(LOWER, 1, [0.0] * questions),
        _measured(UPPER, None, [1.0] * questions),
    ]
    Outcome("gqa", "GQA", "accuracy", rows).write(tables / "benchmarks/gqa")


def _measured(row, n_voco, scores):
    column = np.array(scores)[:, None]
    shares = Shares(column, np.ones_like(column), [f"p{q // 2}" for q in range(len(scores))], 100.0)
    return Row(row, n_voco, Interval(100 * float(np.mean(scores)), 0, 100), {}, shares)


def a_run(folder, monkeypatch, run, *, sets=SETS, gqa=b"questions", right=range(30), questions=40):
    """As tests of the audit make it, with data sets in it; the records' paths by task."""
    plain = runs.left_by_steps

    def left(prepared, **more):
        paths = plain(prepared, right=right, questions=questions, **more)
        write_sets(paths["data"], sets, gqa)
        write_outcome(paths["tables"], right, questions)
        return paths

    with monkeypatch.context() as patched:
        patched.setattr(runs, "left_by_steps", left)
        return runs.whole_run(folder, monkeypatch, run=run, made_up=True)


def edited(path, to, edit):
    """A lineage with its records changed, sealed anew, as another run's."""
    document = json.loads(path.read_text())
    signature = document.pop("attestation", None)
    document.pop("sha256")
    edit(document, {one["record"]["task"]: one["record"] for one in document["records"]})
    to.write_text(json.dumps(document | {"sha256": text_digest(document), "attestation": signature}))
    return to
