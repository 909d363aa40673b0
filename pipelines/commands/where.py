"""What made a file, and what was made from it: 'this image must be removed; which models saw it?'"""

import argparse
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.auditing.lineage import Entry
    from components.tracing.where import Found


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        metavar="DIGEST|FILE",
        help="a file or folder, or a sha256 or md5 of one, of which 8 hex digits may do; a picture or clip too,"
        " which is looked for inside data sets",
    )
    parser.add_argument("--json", action="store_true", help="as JSON (default: for a person)")


def run(options: argparse.Namespace) -> int:
    """0: found; 1: not found; 2: not everything could be looked through, so no answer is whole."""
    from components.tracing.members import sought
    from components.tracing.trail import known_trail
    from components.tracing.where import look_for
    from pipelines.local.home import Home

    home = Home.here()
    try:
        wanted = sought(options.what)
        trail = known_trail(home.root, home.tracking_uri)
    except (ValueError, OSError) as error:
        print(f"voco: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    found, closed = look_for(wanted, trail)
    missed = list(dict.fromkeys([*trail.missed, *closed]))
    status = 2 if missed else 0 if found else 1
    if options.json:
        told = {"what": wanted.what, "status": status, "found": [one.as_dict() for one in found]}
        print(
            json.dumps(told | {"searched": trail.searched, "not_searched": missed}, indent=1, ensure_ascii=False)
        )
        return status
    print("\n\n".join(map(_told, found)) if found else f"{wanted.what}: not found")
    if not found and not closed and not _is_whole(wanted.sha256, wanted.md5):
        print(
            "inside folders, files are known by their md5 and pictures by their sha256; the file itself has both"
        )
    print(f"looked through {' and '.join(trail.searched)}")
    for line in missed:
        print(f"not looked into: {line}")
    return status


def _is_whole(sha256: str, md5: str) -> bool:
    """Whether both digests are known, as they are of a file."""
    return sha256 != md5


def _told(found: "Found") -> str:
    """A paragraph."""
    made = [
        f"{e.record.task}.{n}"
        for e in found.made_by
        for n, c in e.record.outputs.items()
        if c.sha256 == found.sha256
    ]
    lines = [f"{' = '.join(dict.fromkeys(made)) or 'registered'} {found.sha256[:12]}"]
    lines += [f"  holds     {line}" for line in found.holds]
    for head, entries in (("made by", found.made_by), ("read by", found.read_by), ("behind", found.behind)):
        lines += [f"  {head:<9} {line}" for line in _by_run(entries) or ["no step that is known"]]
    lines += [f"  model     {model}" for model in found.models] or ["  model     none that is registered"]
    return "\n".join(lines)


def _by_run(entries: "Iterable[Entry]") -> list[str]:
    runs: dict[str, list[str]] = {}
    for entry in entries:
        runs.setdefault(entry.record.run, []).append(entry.record.task)
    return [f"{', '.join(dict.fromkeys(tasks))} (run {run})" for run, tasks in runs.items()]
