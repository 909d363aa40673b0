"""What the steps before promotion leave, small."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from components.stepping.job import Job


def left_by_steps(folder, *, right=range(30), questions=40, retention=(70.0, 55.0, 80.0), share=0.01, passed=True):
    """exported, tables, efficiency, report and data; `right` are the questions answered rightly."""
    paths = {name: folder / name for name in ("exported", "tables", "efficiency", "report", "data")}
    (paths["exported"] / "model").mkdir(parents=True)
    (paths["exported"] / "model" / "weights.bin").write_bytes(str(folder).encode())
    for name, file, content in (
        ("exported", "manifest.json", {"model/weights.bin": "..."}),
        ("tables", "tables.json", [row("mean", 8, retention)]),
        (
            "efficiency",
            "efficiency.json",
            {"ways": {"full_cache": {"cache_bytes": 1000}, "voco_8": {"cache_bytes": 1000 * share}}},
        ),
        ("report", "result.json", {"passed": passed, "reason": "" if passed else "captions (unique ids)"}),
        ("data", "data.json", {"version": "d" * 64}),
    ):
        paths[name].mkdir(exist_ok=True)
        (paths[name] / file).write_text(json.dumps(content))
    items = [
        {
            "reading": reading,
            "question_id": str(q),
            "group": f"p{q // 2}",
            "score": float(q in right),
            "counts": True,
        }
        for reading in ("voco_8", "upper")
        for q in range(questions)
    ]
    write_items(paths["tables"], "gqa", items)
    return paths


def write_items(tables, benchmark, items):
    """As summarise keeps them."""
    folder = tables / "benchmarks" / benchmark
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(items), folder / "items.parquet")


def read_items(tables, benchmark):
    """What write_items wrote."""
    return pq.read_table(tables / "benchmarks" / benchmark / "items.parquet").to_pylist()


def row(metric, n_voco, values):
    """A line of tables.json."""
    value, low, high = values
    return {"table": "retention, %", "row": "VoCo", "n_voco": n_voco, "metric": metric} | {
        "value": value,
        "low": low,
        "high": high,
        "paper": None,
    }


def job(task, inputs, outputs, work, **settings):
    """As a runner hands it over."""
    return Job(task, settings, inputs, outputs, work)
