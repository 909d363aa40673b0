"""Hold a registered version to the gate, by what was kept with it; where it meets it, it becomes the champion."""

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "version",
        nargs="?",
        default="voco-llama@challenger",
        metavar="MODEL[@ALIAS|/VERSION]",
        help="which (default: voco-llama@challenger)",
    )
    parser.add_argument("--gate", type=Path, metavar="FILE", help="its criteria (default: pipelines/gate.yaml)")


def run(options: argparse.Namespace) -> int:
    """0: it is the champion; 1: it is not, and the table says why."""
    import tempfile

    from components.promote import PROMOTED, REFUSED, decide
    from components.promoting.gate import SHIPPED, load_gate
    from components.promoting.registry import existing_registry, split_name
    from pipelines.local.home import Home

    gate = load_gate(options.gate or SHIPPED)
    name, which = split_name(options.version)
    registry = existing_registry(Home.here().tracking_uri, name)
    version = registry.find(which)
    with tempfile.TemporaryDirectory() as folder:
        done = decide(version, gate, registry, Path(folder))
    outcome = PROMOTED if done.verdict.met else REFUSED
    print(done.verdict.markdown(f"{name} version {version.number}: {outcome}"))
    return 0 if done.verdict.met else 1
