"""Hold a data set against the contract of its kind."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voco_model.errors import VocoError

if TYPE_CHECKING:
    from data.contracts.report import CheckResult

EXITS = (
    "Ends with 0 where the contract holds (warnings are printed), 1 where a check of severity error failed, "
    "and 2 where the data could not be validated: a wrong path, file or setting."
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXITS
    parser.add_argument("data", type=Path, metavar="DATA", help="a data set's folder, or its manifest.parquet")
    parser.add_argument(
        "--contract",
        required=True,
        metavar="NAME",
        help="llava_pretrain, llava_instruct, webvid, video_chatgpt, or benchmark",
    )
    parser.add_argument(
        "--previous", type=Path, metavar="M", help="the previous version, to measure drift against"
    )
    parser.add_argument(
        "--against-benchmark",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="M",
        help="data sets, manifests or digest lists whose pictures must not be trained on",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the results go (default: runs/validate/CONTRACT)"
    )
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="another bound (min_side=64) or share of records that may fail (allowed.turn_order=0.001)",
    )
    parser.add_argument(
        "--severity", action="append", default=[], metavar="CHECK=LEVEL", help="error or warning for a check"
    )


def run(options: argparse.Namespace) -> int:
    from components.validate import ValidateConfig, validate

    try:
        outcome = validate(
            ValidateConfig(
                data=options.data,
                contract=options.contract,
                out=options.out or Path("runs/validate") / Path(options.contract).name,
                previous=options.previous,
                benchmarks=tuple(options.against_benchmark),
                thresholds={name: _number(name, text) for name, text in _pairs("--threshold", options.threshold)},
                severities=dict(_pairs("--severity", options.severity)),
            )
        )
    except (VocoError, OSError) as error:
        print(f"voco: error: {error}", file=sys.stderr)
        return 2
    print(_table(outcome.results))
    verdict = "passed" if outcome.passed else "failed"
    print(f"{verdict}: {options.contract}, {outcome.figures['records.all']:,.0f} records")
    print(f"read {outcome.data_docs}\nfailing records: {outcome.quarantine}")
    return 0 if outcome.passed else 1


def _pairs(flag: str, given: Sequence[str]) -> list[tuple[str, str]]:
    for text in given:
        if "=" not in text:
            raise VocoError(f"{flag} {text}: write NAME=VALUE")
    return [(name, value) for name, _, value in (text.partition("=") for text in given)]


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise VocoError(f"--threshold {name}: {text!r} is not a number") from None


def _table(results: Sequence["CheckResult"]) -> str:
    """Check, severity, verdict and what was observed, in columns."""
    name = max(len(one.name) for one in results)
    return "\n".join(f"{one.name:<{name}}  {one.severity:<7}  {one.verdict:<7}  {one.observed}" for one in results)
