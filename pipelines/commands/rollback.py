"""Make an earlier version the champion again."""

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", default="voco-llama", metavar="MODEL", help="whose champion (default: voco-llama)"
    )
    parser.add_argument("--to", metavar="VERSION", help="which version (default: the champion before)")
    parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the ledger")


def run(options: argparse.Namespace) -> int:
    """0: it is the champion now."""
    from components.promoting.moving import roll_back
    from components.promoting.registry import check_name, existing_registry
    from pipelines.local.home import Home

    name = check_name(options.model)
    registry = existing_registry(Home.here().tracking_uri, name)
    to = registry.by_number(options.to.removeprefix("/")) if options.to else None
    entry = roll_back(registry, to, options.reason)
    print(f"{name}: version {entry.after} is the champion again (before: {entry.before or 'none'})")
    return 0
