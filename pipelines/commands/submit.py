"""Run a pipeline on the cluster."""

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pipelines.commands.packaging import add_arguments, package_of


def add(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser)
    parser.add_argument("--name", help="what the run is called (default: pipeline, profile and time)")
    parser.add_argument(
        "--wait",
        action="store_true",
        help="until it has ended; status 1 unless it succeeded (default: return at once)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=72.0,
        metavar="HOURS",
        help="of --wait; the run goes on (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    from pipelines.cluster.connection import open_cluster
    from pipelines.cluster.packages import put_version, read_parameters
    from pipelines.cluster.runs import submit, wait

    given = read_parameters(options.param)
    cluster = open_cluster()
    with tempfile.TemporaryDirectory(prefix="voco-") as scratch:
        package = package_of(options, Path(scratch))
        parameters = package.check(given)
        version = put_version(cluster, package)
    name = options.name or f"{package.name} {options.profile} {datetime.now(UTC):%Y-%m-%d %H:%M}"
    started = submit(cluster, version, name, parameters)
    print(f"{started}  {name}  version {version.name}")
    if not options.wait:
        print(f"look: voco runs {started}; voco logs {started} TASK")
        return 0
    state = wait(cluster, started, options.timeout * 3600)
    print(f"{started}  {state.lower()}")
    return 0 if state == "SUCCEEDED" else 1
