"""Hold a registered version to the gate, by what was kept with it; where it meets it, it becomes the champion."""

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    add_version(parser, "voco-llama@challenger")
    add_gate(parser)
    parser.add_argument(
        "--require-approval",
        action="store_true",
        help="where the gate is met, wait for `voco approve` (default: promote at once)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="promote whatever the gate says; needs --reason, and the ledger shows it",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the ledger (default: the verdict's)")


def add_version(parser: argparse.ArgumentParser, default: str) -> None:
    """Which registered version a command is about."""
    parser.add_argument(
        "version",
        nargs="?",
        default=default,
        metavar="[MODEL][@ALIAS|/VERSION]",
        help=f"which; a bare number is a version of voco-llama (default: {default})",
    )


def add_gate(parser: argparse.ArgumentParser) -> None:
    """What a version is held to."""
    parser.add_argument("--gate", type=Path, metavar="FILE", help="its criteria (default: pipelines/gate.yaml)")


def run(options: argparse.Namespace) -> int:
    """0: it is the champion; 1: it is not, and the table says why; 3: it waits for approval."""
    from components.promoting.deciding import Wish, decide
    from components.promoting.gate import SHIPPED, load_gate
    from components.promoting.ledger import AWAITS, PROMOTED
    from components.promoting.registry import existing_registry, split_name
    from pipelines.local.home import Home

    gate = load_gate(options.gate or SHIPPED)
    wish = Wish(gate, options.require_approval, options.force, options.reason)
    name, which = split_name(options.version)
    registry = existing_registry(Home.here().tracking_uri, name)
    done = decide(registry.find(which), wish, registry)
    print(done.verdict.markdown(f"{name} version {done.version.number}: {done.outcome}"))
    if done.reason != done.verdict.reason:
        print(done.reason)
    return {PROMOTED: 0, AWAITS: 3}.get(done.outcome, 1)
