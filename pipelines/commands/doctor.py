"""Check this machine and what it is connected to; each line says how to mend it."""

import argparse
import json


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON (default: a line for each)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="of all checks together (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    from components.stepping.places import voco_home
    from pipelines.doctoring import machine, servers
    from pipelines.doctoring.finding import MARKS, find_all

    home = voco_home()
    found = find_all(
        [
            ("Python", machine.python),
            ("packages", machine.packages),
            ("GPU", machine.gpu),
            ("disk", lambda: machine.disk(home)),
            ("MLflow", lambda: servers.mlflow(home)),
            ("DVC remote", lambda: servers.dvc_remote(home)),
            ("S3", servers.s3),
            ("KFP", servers.kfp),
            ("cluster", servers.cluster),
        ],
        options.timeout,
    )
    if options.json:
        print(json.dumps({name: vars(finding) for name, finding in found}, indent=1))
    else:
        for name, one in found:
            print(f"{MARKS[one.state]} {name:<11} {one.detail}{f'; {one.fix}' if one.fix else ''}")
    return int(any(one.state == "bad" for _, one in found))
