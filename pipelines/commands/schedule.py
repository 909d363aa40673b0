"""Run a pipeline again and again on the cluster."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.commands.packaging import add_arguments, package_of

if TYPE_CHECKING:
    from pipelines.cluster.schedules import Schedule


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, summary in (("create", "make one"), ("update", "put a new version or time in its place")):
        action = actions.add_parser(name, help=summary, description=summary)
        add_arguments(action)
        action.add_argument("--name", help="what it is called (default: pipeline and profile)")
        action.add_argument(
            "--cron",
            metavar="TEXT",
            help="six fields, seconds first, UTC, such as '0 0 3 ? * 1': Mondays at 3 (default: none)",
        )
        action.add_argument("--interval", type=int, metavar="SECONDS", help="instead of --cron (default: none)")
        action.add_argument("--paused", action="store_true", help="made, but not started (default: started)")
        action.set_defaults(act=_create if name == "create" else _update)
    listing = actions.add_parser("list", help="show all", description="show all")
    listing.set_defaults(act=_list)
    for name, summary in (
        ("pause", "no further runs"),
        ("resume", "further runs, without those missed"),
        ("delete", "remove it; one with runs in flight is paused first"),
    ):
        action = actions.add_parser(name, help=summary, description=summary)
        action.add_argument("name", help="what it is called")
        action.set_defaults(act={"pause": _pause, "resume": _resume, "delete": _delete}[name])


def run(options: argparse.Namespace) -> int | None:
    code: int | None = options.act(options)
    return code


def _create(options: argparse.Namespace) -> None:
    from pipelines.cluster.schedules import create

    cluster, schedule = _asked(options)
    print(f"{create(cluster, schedule)}  {schedule.name}  {schedule.when}  version {schedule.version.name}")
    _say_next(schedule)


def _update(options: argparse.Namespace) -> None:
    from pipelines.cluster.schedules import update

    cluster, schedule = _asked(options)
    made, kept = update(cluster, schedule)
    print(f"{made}  {schedule.name}  {schedule.when}  version {schedule.version.name}")
    for old in kept:
        print(f"{old}  paused: its run is in flight; `voco schedule update` or `delete` removes it afterwards")
    _say_next(schedule)


def _asked(options: argparse.Namespace) -> tuple[Any, "Schedule"]:
    """The cluster and the schedule: what is wrong with the time is said before anybody is asked."""
    from pipelines.cluster.connection import open_cluster
    from pipelines.cluster.packages import put_version, read_parameters
    from pipelines.cluster.schedules import Schedule, When

    when, given = When(options.cron, options.interval), read_parameters(options.param)
    cluster = open_cluster()
    with tempfile.TemporaryDirectory(prefix="voco-") as scratch:
        package = package_of(options, Path(scratch))
        parameters = package.check(given)
        version = put_version(cluster, package)
    name = options.name or f"{package.name}-{options.profile}"
    return cluster, Schedule(name, when, version, parameters, options.paused)


def _say_next(schedule: "Schedule") -> None:
    from pipelines.cluster.cron import firing_cron

    if schedule.when.cron is not None:
        print(f"next: {firing_cron(schedule.when.cron)[1]:%a %Y-%m-%d %H:%M:%S} UTC")


def _list(_: argparse.Namespace) -> None:
    from pipelines.cluster.connection import open_cluster
    from pipelines.cluster.schedules import is_on, list_schedules
    from pipelines.commands.columns import as_columns

    rows = [("NAME", "WHEN", "STATE", "PIPELINE VERSION", "ID")]
    for one in list_schedules(open_cluster()):
        trigger, version = one.trigger, one.pipeline_version_reference
        cron = trigger.cron_schedule.cron if trigger and trigger.cron_schedule else None
        interval = trigger.periodic_schedule.interval_second if trigger and trigger.periodic_schedule else None
        when = cron or (f"every {interval} s" if interval else "?")
        pinned = version.pipeline_version_id if version else "?"
        rows.append((one.display_name, when, "on" if is_on(one) else "paused", pinned, one.recurring_run_id))
    print(as_columns(rows))


def _pause(options: argparse.Namespace) -> None:
    _switch(options.name, on=False)


def _resume(options: argparse.Namespace) -> None:
    _switch(options.name, on=True)


def _switch(name: str, on: bool) -> None:
    from pipelines.cluster.connection import open_cluster
    from pipelines.cluster.schedules import switch

    switch(open_cluster(), name, on)
    print(f"{name}: {'goes on' if on else 'paused'}")


def _delete(options: argparse.Namespace) -> int:
    from pipelines.cluster.connection import open_cluster
    from pipelines.cluster.schedules import delete

    if delete(open_cluster(), options.name):
        print(f"{options.name}: deleted")
        return 0
    print(f"{options.name}: paused, as deleting it would end its run in flight; delete it again afterwards")
    return 1
