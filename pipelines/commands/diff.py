"""Compare two registered versions: data, settings, code, packages, figures: why did it get better?"""

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.tracing.diffing import Diff
    from components.tracing.figures import Figures


def add(parser: argparse.ArgumentParser) -> None:
    form = "MODEL[@ALIAS|/VERSION]|FILE"
    parser.add_argument(
        "first", metavar="A", help=f"the one before: {form}, a registered version or an audit.json"
    )
    parser.add_argument("second", metavar="B", help="the one after; @ALIAS or /VERSION alone is of A's model")
    parser.add_argument("--json", action="store_true", help="as JSON (default: for a person)")


def run(options: argparse.Namespace) -> None:
    import tempfile
    from pathlib import Path

    from components.tracing.diff_text import text
    from components.tracing.diffing import differ
    from components.tracing.figures import compare_figures
    from components.tracing.subjects import open_subject
    from pipelines.local.home import Home

    uri = Home.here().tracking_uri
    first = open_subject(options.first, uri)
    second = open_subject(_whole(options.second, options.first), uri)
    diff = differ(first, second)
    with tempfile.TemporaryDirectory() as work:
        figures = compare_figures(first, second, Path(work))
    if options.json:
        told = {"first": first.name, "second": second.name, **_as_dict(diff, figures)}
        print(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        print(text(diff, figures, f"{first.name} -> {second.name}"))


def _whole(second: str, first: str) -> str:
    """A version of the first's model needs no name."""
    from pathlib import Path

    if second[:1] not in ("@", "/") or Path(second).exists():
        return second
    return first.partition("@")[0].partition("/")[0] + second


def _as_dict(diff: "Diff", figures: "Figures") -> dict[str, Any]:
    from dataclasses import asdict

    from components.tracing.diff_text import in_one_line

    return asdict(diff) | {"figures": asdict(figures), "in_one_line": in_one_line(diff, figures)}
