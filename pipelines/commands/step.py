"""Do one step of the pipeline, as `dvc repro` calls it: named inputs and outputs, a section of parameters."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", help="the task: the section of the parameters, such as instruct")
    parser.add_argument(
        "--params", default="params.yaml", metavar="FILE", help="the parameters (default: params.yaml)"
    )
    for flag, what in (("in", "an input"), ("out", "an output")):
        parser.add_argument(
            f"--{flag}",
            action="append",
            default=[],
            metavar="NAME=PATH",
            dest=f"{flag}puts",
            help=f"{what}; may stand again",
        )
    parser.add_argument(
        "--each",
        action="append",
        default=[],
        metavar="NAME=PATTERN",
        help="inputs NAME_0, NAME_1, ...: every path that fits, in order; may stand again",
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="where the step's record goes")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="where its figures go, as JSON, for DVC")
    parser.add_argument(
        "--curve", type=Path, metavar="FILE", help="where figures go while it runs, as CSV, for DVC"
    )
    parser.add_argument("--benchmark", metavar="NAME", help="for evaluate: which")


def run(options: argparse.Namespace) -> int:
    import os

    from components.stepping.perform import Assignment, perform
    from pipelines.local.curve import Curve
    from pipelines.local.home import Home
    from pipelines.profiles import load_profile
    from pipelines.tasks import STEPS, check_task

    check_task(options.task)
    settings = load_profile(options.params).settings(options.task)
    if options.benchmark:
        settings["benchmark"] = options.benchmark
    for name, value in Home.here().environment().items():
        os.environ.setdefault(name, value)
    outputs = _pairs(options.outputs, "--out")
    _clear(outputs.values())
    curve = Curve(options.curve)
    assignment = Assignment(
        step=STEPS[options.task],
        task=options.task,
        settings=settings,
        inputs=_pairs(options.inputs, "--in") | _each(options.each),
        outputs=outputs,
        record=options.record,
        label=f"{options.task} {options.benchmark}" if options.benchmark else None,
    )
    done = perform(assignment, curve.add)
    curve.close()
    if options.figures:
        options.figures.parent.mkdir(parents=True, exist_ok=True)
        options.figures.write_text(json.dumps(dict(done.figures), indent=1, sort_keys=True) + "\n", "utf-8")
    if done.values.get("passed") == "no":
        print(f"voco: error: {done.values['reason']}", file=sys.stderr)
        return 1
    return 0


def _each(given: list[str]) -> dict[str, Path]:
    from voco_model.errors import VocoError

    found: dict[str, Path] = {}
    for name, pattern in _pairs(given, "--each").items():
        paths = sorted(Path().glob(str(pattern)))
        if not paths:
            raise VocoError(f"--each {name}={pattern}: no such file or folder")
        found |= {f"{name}_{number}": path for number, path in enumerate(paths)}
    return found


def _pairs(given: list[str], flag: str) -> dict[str, Path]:
    from voco_model.errors import VocoError

    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise VocoError(f"{flag} {text}: write NAME=PATH")
        found[name] = Path(path)
    return found


def _clear(paths: Iterable[Path]) -> None:
    """Empty folders stand where DVC removed an output; a step makes its own."""
    import contextlib

    for path in paths:
        with contextlib.suppress(OSError):
            path.rmdir()
