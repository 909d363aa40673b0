"""What the steps before promotion leave, small."""

import json

from components.stepping.job import Job


def left_by_steps(folder, *, right=range(30), questions=40, retention=(70.0, 55.0, 80.0), share=0.01, passed=True):
    """exported, tables, efficiency, report and data; `right` are the questions answered rightly."""
    paths = {name: folder / name for name in ("exported", "tables", "efficiency", "report", "data")}
    (paths["exported"] / "model").mkdir(parents=True)
    (paths["exported"] / "model" / "weights.bin").write_bytes(str(folder).encode())
    for name, file, content in (
        ("exported", "manifest.json", {"model/weights.bin": "..."}),
        ("tables", "tables.json", [row("average", 8, retention)]),
        ("efficiency", "efficiency.json", {"cache_bytes_share": share}),
        ("report", "result.json", {"passed": passed, "reason": "" if passed else "captions (unique ids)"}),
        ("data", "data.json", {"version": "d" * 64}),
    ):
        paths[name].mkdir(exist_ok=True)
        (paths[name] / file).write_text(json.dumps(content))
    items = [
        {"question": str(q), "group": f"p{q // 2}", "reading": "voco 8", "score": float(q in right)}
        for q in range(questions)
    ]
    (paths["tables"] / "items").mkdir()
    (paths["tables"] / "items" / "gqa.jsonl").write_text("".join(json.dumps(one) + "\n" for one in items))
    return paths


def row(name, n_voco, values):
    """A line of tables.json."""
    value, low, high = values
    return {"table": "retention", "row": name, "n_voco": n_voco, "metric": "retention, %"} | {
        "value": value,
        "low": low,
        "high": high,
        "paper": None,
    }


def job(task, inputs, outputs, work, **settings):
    """As a runner hands it over."""
    return Job(task, settings, inputs, outputs, work)
