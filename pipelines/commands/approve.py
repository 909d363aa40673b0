"""Make a version that met the gate and waits for approval the champion."""

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    from pipelines.commands.promote import add_gate

    add_waiting(parser)
    add_gate(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the ledger")
    parser.add_argument(
        "--force", action="store_true", help="also where the gate is not met any more; needs --reason"
    )


def add_waiting(parser: argparse.ArgumentParser) -> None:
    """Which of the waiting versions."""
    parser.add_argument(
        "version",
        nargs="?",
        default="voco-llama",
        metavar="MODEL[/VERSION]",
        help="which (default: the one of voco-llama that has waited longest)",
    )


def run(options: argparse.Namespace) -> int:
    """0: it is the champion now."""
    from components.promoting.deciding import Wish, approve_again
    from components.promoting.gate import SHIPPED, load_gate
    from components.promoting.moving import next_waiting
    from components.promoting.registry import existing_registry, split_name
    from pipelines.local.home import Home

    wish = Wish(load_gate(options.gate or SHIPPED), force=options.force, reason=options.reason)
    name, which = split_name(options.version)
    registry = existing_registry(Home.here().tracking_uri, name)
    version = registry.find(which) if which else next_waiting(registry)
    done = approve_again(version, wish, registry)
    print(done.verdict.markdown(f"{name} version {version.number}: approved, the champion now"))
    return 0
