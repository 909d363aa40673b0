"""Print what a task of a run on the cluster printed."""

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN", help="as `voco runs` shows it")
    parser.add_argument("task", help="as `voco runs RUN` shows it, such as instruct")
    parser.add_argument("--follow", action="store_true", help="until it ends (default: what is there)")


def run(options: argparse.Namespace) -> None:
    from pipelines.cluster.connection import open_cluster
    from pipelines.cluster.runs import log_lines

    for line in log_lines(open_cluster(), options.run_id, options.task, options.follow):
        print(line, flush=True)
