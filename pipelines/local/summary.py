"""What a run came to: the tables, the gate's verdict, what was registered, and where to look further."""

import json
from pathlib import Path
from typing import Any

from pipelines.local.home import Home
from pipelines.local.launch import Finished
from pipelines.local.watching import Seen, clock


def summary(done: Finished, home: Home) -> str:
    """For a person, to be printed when the run is over."""
    seen = done.seen
    if not done.ok:
        return "\n".join(_failure(done))
    lines = [f"run {done.run_id}: done in {clock(done.seconds)}", ""]
    decision = seen.values.get("news", {})
    if decision.get("decision") == "nothing new":
        return "\n".join(
            [*lines, f"  nothing new: {decision['reason']}", "  train all the same: voco run --force"]
        )
    lines += _tables(seen)
    verdict = seen.values.get("promote", {})
    if verdict:
        lines += [f"gate      {verdict['verdict']}: {verdict['reason']}"]
        lines += [f"registry  version {verdict['version']}"]
    return "\n".join(lines + _where(seen, home))


def _failure(done: Finished) -> list[str]:
    at = f" in {', '.join(done.seen.running)}" if done.seen.running else ""
    why = done.seen.error or "see the log"
    return [
        f"run {done.run_id}: failed{at} after {clock(done.seconds)}: {why}",
        f"  log       {done.log}",
        "  again     the same command; what is done already is not done again",
    ]


def _tables(seen: Seen) -> list[str]:
    """As `summarise` wrote them for people."""
    path = _output(seen, "summarise", "tables")
    text = path / "tables.md" if path else None
    return [*text.read_text("utf-8").rstrip().splitlines(), ""] if text and text.is_file() else []


def _where(seen: Seen, home: Home) -> list[str]:
    report, record = _output(seen, "summarise", "tables"), _output(seen, "audit", "audit")
    lines = []
    if report is not None:
        lines.append(f"report    {report / 'report.html'}")
    lines.append(f"MLflow    mlflow ui --backend-store-uri {home.tracking_uri}")
    if record is not None:
        lines.append(f"audit     voco audit {record / 'audit.json'}")
    return lines


def _output(seen: Seen, task: str, name: str) -> Path | None:
    found = seen.outputs.get(task, {}).get(name)
    return Path(found) if found and Path(found).exists() else None


def keep_summary(done: Finished, home: Home) -> None:
    """`summary.json` in the run's folder: for `voco runs`, for `--only`, and for the next run's ETA."""
    content: dict[str, Any] = {
        "run": done.run_id,
        "ok": done.ok,
        "seconds": round(done.seconds, 1),
        "tasks": done.seen.ended,
        "outputs": done.seen.outputs,
        "values": done.seen.values,
        "error": done.seen.error,
    }
    path = home.run(done.run_id) / "summary.json"
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def last_summary(home: Home, *, ok: bool | None = None) -> dict[str, Any] | None:
    """Of the newest run that ended, or of the newest that ended well."""
    for run_id in reversed(home.run_ids()):
        path = home.run(run_id) / "summary.json"
        if path.is_file():
            found: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if ok is None or found["ok"] == ok:
                return found
    return None
