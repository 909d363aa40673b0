"""Show the cluster's runs, or one run's tasks."""

import argparse
import json
from datetime import datetime
from typing import Any


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_id", nargs="?", metavar="RUN", help="one run with its tasks (default: the newest runs)"
    )
    parser.add_argument("--most", type=int, default=20, metavar="N", help="runs listed (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="as JSON (default: a table)")


def run(options: argparse.Namespace) -> None:
    from pipelines.cluster.connection import open_cluster
    from pipelines.cluster.runs import get_run, list_runs, tasks_of
    from pipelines.commands.columns import as_columns

    cluster = open_cluster()
    if options.run_id:
        found = get_run(cluster, options.run_id)
        rows: list[tuple[str, ...]] = [("TASK", "STATE", "STARTED", "TOOK")]
        rows += [(one.display_name, *_state(one, one.start_time, one.end_time)) for one in tasks_of(found)]
        reason = found.error.message if found.error else None
    else:
        rows = [("RUN", "STATE", "STARTED", "TOOK", "NAME")]
        for one in list_runs(cluster, options.most):
            rows.append((one.run_id, *_state(one, one.created_at, one.finished_at), one.display_name))
        reason = None
    if options.json:
        names = [name.lower() for name in rows[0]]
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows[1:]], indent=1))
        return
    print(as_columns(rows))
    if reason:
        print(f"error: {reason}")


def _state(one: Any, start: datetime | None, end: datetime | None) -> tuple[str, str, str]:
    took = ""
    if start and end and end > start:
        seconds = round((end - start).total_seconds())
        took = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return str(one.state or "?").lower(), f"{start:%Y-%m-%d %H:%M}" if start else "", took
