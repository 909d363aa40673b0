"""Do a registered model's steps again, from its recorded commit, data and settings, and compare what comes out."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from components.tracing.likeness import TOLERANCE
from voco_model.errors import VocoError

if TYPE_CHECKING:
    from components.tracing.reproducing import Outcome


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        metavar="MODEL[@ALIAS|/VERSION]|FILE",
        help="a registered version, such as voco-llama@champion, or a run's audit.json",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--step", metavar="STEP", help="this step, such as align or 'evaluate gqa'")
    which.add_argument("--all", action="store_true", help="every step in its order, each from what it read then")
    parser.add_argument(
        "--here", action="store_true", help="with the code as it is here (default: the recorded commit's)"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="SHARE",
        help="by how much of a tensor's greatest value results may differ where packages, threads or code are not"
        " as they were; as they were, every bit must be the same (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON (default: a line for each step)")


def run(options: argparse.Namespace) -> int:
    """0: identical, or within the tolerance; 1: different; 2: could not be done."""
    try:
        outcomes = []
        with _cleaned_up():
            for outcome in _done(options):
                outcomes.append(outcome)
                if not options.json:
                    print("\n    ".join([f"{outcome.task}: {outcome.verdict}", *outcome.notes]), flush=True)
    except (ValueError, OSError) as error:
        print(f"voco: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    status = _status(outcomes)
    if options.json:
        from dataclasses import asdict

        print(json.dumps({"status": status, "steps": [asdict(one) for one in outcomes]}, indent=1))
    return status


@contextmanager
def _cleaned_up() -> Iterator[None]:
    """SIGTERM ends the work as an error does, so that no checkout stays behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _done(options: argparse.Namespace) -> "Iterator[Outcome]":
    import math

    from components.tracing.reproducing import Terms, reproduce, reproduce_all
    from components.tracing.subjects import open_subject
    from pipelines.local.home import Home

    if not (math.isfinite(options.tolerance) and options.tolerance >= 0):
        raise VocoError(f"--tolerance {options.tolerance}: give a share of at least 0, such as 1e-4")
    subject = open_subject(options.subject, Home.here().tracking_uri)
    terms = Terms(options.tolerance, options.here)
    if options.here:
        print("with the code as it is here, not that of the recorded commit", file=sys.stderr)
    if options.all:
        yield from reproduce_all(subject.lineage, terms)
    else:
        yield reproduce(subject.entry(options.step), subject.lineage, terms)


def _status(outcomes: "list[Outcome]") -> int:
    from components.tracing.reproducing import DIFFERENT, NOT_DONE

    verdicts = {one.verdict for one in outcomes}
    return 1 if DIFFERENT in verdicts else 2 if NOT_DONE in verdicts else 0
