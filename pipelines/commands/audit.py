"""Check where a model comes from: signatures, digests and links back to the raw data; with --deep, every byte.

Without --deep, digests, signatures, links, code, gate and tags are checked, and that outputs are where they were
left, in their size. With it, every copy of every output is fetched and read again. The answer's status is 0 where
all is right, 1 where anything is wrong, 2 where nothing is wrong but something could not be checked.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.auditing.items import Item
    from components.auditing.lineage import Lineage

    Checked = tuple[str, list[Item], Lineage | None]


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        nargs="?",
        default="voco-llama@champion",
        metavar="MODEL[@ALIAS|/VERSION]|FILE",
        help="a registered version, or a run's audit.json, whose promotion is then left out"
        " (default: voco-llama@champion)",
    )
    parser.add_argument(
        "--deep",
        action="store_true",
        help="fetch and read every byte again (default: digests, signatures and links alone)",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "html"),
        default="text",
        help="a tree, every item checked, or a page with the graph (default: text)",
    )


def run(options: argparse.Namespace) -> int:
    """0: all is right; 1: something is wrong; 2: nothing is wrong, but something could not be checked."""
    from components.auditing.items import exit_status

    heading, items, lineage = _checked(options.subject, options.deep)
    heading += "" if options.deep else ", bytes not read"
    print(_shown(options.format)(heading, items, lineage))
    return exit_status(items)


def _shown(name: str) -> "Callable[[str, list[Item], Lineage | None], str]":
    from components.auditing.items import tree
    from components.auditing.page import page

    return {"text": lambda heading, items, lineage: tree(items, heading), "json": _json, "html": page}[name]


def _json(heading: str, items: "list[Item]", lineage: "Lineage | None") -> str:
    from dataclasses import asdict

    from components.auditing.items import exit_status

    found = {"subject": heading, "status": exit_status(items), "items": [asdict(item) for item in items]}
    return json.dumps(found, indent=1, ensure_ascii=False)


def _checked(subject: str, deep: bool) -> "Checked":
    path = Path(subject)
    if path.is_file() or path.suffix == ".json":
        from components.auditing.checking import check
        from components.auditing.lineage import read_lineage

        lineage, sha256 = read_lineage(path)
        return f"{path} (run {lineage.run})", list(check(lineage, sha256, str(path), deep=deep)), lineage
    return _checked_version(subject, deep)


def _checked_version(subject: str, deep: bool) -> "Checked":
    import tempfile

    from components.auditing.version import check_version, lineage_of
    from components.promoting.registry import existing_registry, split_name
    from pipelines.local.home import Home

    name, which = split_name(subject)
    registry = existing_registry(Home.here().tracking_uri, name)
    version = registry.find(which)
    with tempfile.TemporaryDirectory() as work:
        items = list(check_version(registry, version, Path(work), deep=deep))
        return f"{name} version {version.number}", items, lineage_of(Path(work))
