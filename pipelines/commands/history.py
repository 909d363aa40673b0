"""Who promoted which version, when and why: the ledger of a model."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.promoting.ledger import Entry


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", default="voco-llama", metavar="MODEL", help="whose (default: voco-llama)"
    )
    parser.add_argument("--verify", action="store_true", help="look for entries that were changed or taken away")
    parser.add_argument("--json", action="store_true", help="print JSON (default: a table)")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the entries there, a JSON line each")


def run(options: argparse.Namespace) -> int:
    """0: shown, and with --verify whole; 1: something was changed."""
    from components.promoting.ledger import problems
    from components.promoting.moving import alias_problems
    from components.promoting.registry import check_name, existing_registry
    from pipelines.local.home import Home

    registry = existing_registry(Home.here().tracking_uri, check_name(options.model))
    registry.check_exists()
    if (ledger := registry.existing_ledger()) is None:
        print(f"{registry.name}: nothing was decided yet")
        return 0
    if options.verify:
        found = [*problems(ledger, registry.settled), *alias_problems(registry)]
        print(
            "\n".join(f"✗ {one}" for one in found) or f"✓ {len(ledger.texts())} entries, none changed, none gone"
        )
        return 1 if found else 0
    entries = ledger.entries()
    lines = [json.dumps(asdict(entry) | {"sha256": entry.sha256}, ensure_ascii=False) for entry in entries]
    if options.export:
        options.export.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        print(f"{options.export}: {len(lines)} entries")
    elif options.json:
        print(json.dumps([json.loads(line) for line in lines], indent=1, ensure_ascii=False))
    else:
        print(_table(entries) if entries else f"{registry.name}: nothing was decided yet")
    return 0


def _table(entries: "list[Entry]") -> str:
    from pipelines.commands.columns import as_columns

    rows = [["", "when (UTC)", "who", "what", "version", "champion", "why"]]
    for entry in entries:
        champion = (
            f"{entry.before or 'none'} → {entry.after or 'none'}" if entry.before != entry.after else "stays"
        )
        when = entry.moment[:19].replace("T", " ")
        rows.append([str(entry.number), when, entry.who, entry.action, entry.version, champion, entry.reason])
    return as_columns(rows)
