"""Turn down a version that waits for approval."""

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    from pipelines.commands.approve import add_waiting

    add_waiting(parser)
    parser.add_argument("--reason", required=True, metavar="TEXT", help="kept in the ledger")


def run(options: argparse.Namespace) -> int:
    """0: it does not wait any more."""
    from components.promoting.moving import next_waiting, reject
    from components.promoting.registry import existing_registry, split_name
    from pipelines.local.home import Home

    name, which = split_name(options.version)
    registry = existing_registry(Home.here().tracking_uri, name)
    version = registry.find(which) if which else next_waiting(registry)
    entry = reject(registry, version, options.reason)
    champion = f"the champion stays version {entry.after}" if entry.after else "there is no champion"
    print(f"{name} version {version.number}: rejected; {champion}")
    return 0
