"""Score answers made elsewhere, as a benchmark's authors score them."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voco_model.evaluation.scoring import Result


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("benchmark", help="gqa, pope, vqav2, ...; an unknown name is told the known ones")
    parser.add_argument(
        "--questions", type=Path, required=True, metavar="PATH", help="official or LLaVA-style file, or its folder"
    )
    parser.add_argument("--truth", type=Path, metavar="PATH", help="the right answers, where they lie elsewhere")
    parser.add_argument(
        "--predictions", type=Path, required=True, metavar="FILE", help="official results or LLaVA's answer lines"
    )
    parser.add_argument("--json", action="store_true", help="print one object: names to numbers")


def run(options: argparse.Namespace) -> None:
    from voco_model.evaluation.benchmarks import by_name
    from voco_model.evaluation.scoring import score_files

    result = score_files(by_name(options.benchmark), options.questions, options.predictions, options.truth)
    print(json.dumps(result.figures, indent=1) if options.json else table(result))


def table(result: "Result") -> str:
    """All figures, a line each, the headline marked, and what has to be known about them."""
    width, intervals = max(map(len, result.figures)), result.intervals()
    lines = [f"{result.benchmark.title}: {len(result.items)} questions, 95 % intervals over pictures"]
    for name, value in result.figures.items():
        sure = f"  [{intervals[name].low:.4f}, {intervals[name].high:.4f}]" if name in intervals else ""
        mark = "  <- the tables' figure" if name == result.benchmark.headline else ""
        lines.append(f"  {name:<{width}}  {_number(value):>10}{sure}{mark}")
    return "\n".join([*lines, *(f"note: {remark}" for remark in result.remarks)])


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.4f}"
