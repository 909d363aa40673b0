"""Check where a model comes from: every digest against the bytes, every input against the step that made it."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.auditing.items import Item


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        nargs="?",
        default="voco-llama@champion",
        metavar="MODEL[@ALIAS|/VERSION]|FILE",
        help="a registered version, or a run's audit.json (default: voco-llama@champion)",
    )
    parser.add_argument("--json", action="store_true", help="print every item checked as JSON (default: a tree)")


def run(options: argparse.Namespace) -> int:
    """0: all is right; 1: something is wrong; 2: nothing is wrong, but something could not be checked."""
    from components.auditing.items import exit_status, tree

    heading, items = _checked(options.subject)
    if options.json:
        from dataclasses import asdict

        found = {"subject": heading, "status": exit_status(items), "items": [asdict(item) for item in items]}
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print(tree(items, heading))
    return exit_status(items)


def _checked(subject: str) -> "tuple[str, list[Item]]":
    path = Path(subject)
    if path.is_file() or path.suffix == ".json":
        from components.auditing.checking import check
        from components.auditing.lineage import read_lineage

        lineage, sha256 = read_lineage(path)
        return f"{path} (run {lineage.run})", list(check(lineage, sha256, str(path)))
    return _checked_version(subject)


def _checked_version(subject: str) -> "tuple[str, list[Item]]":
    import tempfile

    from components.auditing.version import check_version
    from components.promoting.registry import existing_registry, split_name
    from pipelines.local.home import Home

    name, which = split_name(subject)
    registry = existing_registry(Home.here().tracking_uri, name)
    version = registry.find(which)
    with tempfile.TemporaryDirectory() as work:
        return f"{name} version {version.number}", list(check_version(registry, version, Path(work)))
