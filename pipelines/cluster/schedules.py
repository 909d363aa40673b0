"""Recurring runs: by cron or interval, of a pinned version, one at a time, catching up on nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.cluster.connection import Cluster
from pipelines.cluster.cron import firing_cron
from pipelines.cluster.packages import Version
from pipelines.cluster.runs import ACCOUNT, ENDED, PAGE, experiment_id, list_runs, reference
from voco_model.errors import VocoError

SHORTEST = 60
"""Seconds between two runs, at least."""
LOOKED_AT = 200
"""The newest runs, among which those in flight are."""


@dataclass(frozen=True)
class When:
    """Cron or interval, one of the two."""

    cron: str | None = None
    interval: int | None = None
    """Seconds."""

    def __post_init__(self) -> None:
        if (self.cron is None) == (self.interval is None):
            raise VocoError("say when: give --cron or --interval, one of the two")
        if self.cron is not None:
            firing_cron(self.cron)
        if self.interval is not None and self.interval < SHORTEST:
            raise VocoError(f"--interval {self.interval}: give at least {SHORTEST} seconds")

    def __str__(self) -> str:
        return self.cron if self.cron is not None else f"every {self.interval} s"


@dataclass(frozen=True)
class Schedule:
    """What shall be run when."""

    name: str
    when: When
    version: Version
    parameters: Mapping[str, Any]
    is_paused: bool = False


def create(cluster: Cluster, schedule: Schedule) -> str:
    """Make it; its id. A name that is taken is refused."""
    if named(cluster, schedule.name):
        raise VocoError(
            f"{schedule.name}: there is one already; `voco schedule update` changes it, another --name makes more"
        )
    return _make(cluster, schedule)


def update(cluster: Cluster, schedule: Schedule) -> tuple[str, list[str]]:
    """Put a new one in the place of those of its name; the new id, and old ones that had to stay, paused.

    KFP has no update, and deleting a schedule deletes the runs that it started and that are not done. So the new
    one is made first, and then an old one goes if none of its runs is in flight; else it is paused, and the next
    update or delete finds it by its name. A paused schedule stays paused.
    """
    old = named(cluster, schedule.name)
    if not old:
        raise VocoError(f"{schedule.name}: no such schedule; {_known(cluster)}; `voco schedule create` makes one")
    paused = schedule.is_paused or all(not is_on(one) for one in old)
    made = _make(cluster, Schedule(schedule.name, schedule.when, schedule.version, schedule.parameters, paused))
    return made, [str(one.recurring_run_id) for one in old if not _retire(cluster, one)]


def switch(cluster: Cluster, name: str, on: bool) -> None:
    """Pause it, or let it go on: the newest of that name."""
    api = cluster.recurring
    act = api.recurring_run_service_enable_recurring_run if on else api.recurring_run_service_disable_recurring_run
    found = sorted(_existing(cluster, name), key=lambda one: one.created_at or datetime.min.replace(tzinfo=UTC))
    with cluster.asking(f"{'resume' if on else 'pause'} {name}"):
        act(found[-1].recurring_run_id)


def delete(cluster: Cluster, name: str) -> bool:
    """Remove it; False where runs of it are in flight: then it is paused, to be deleted when they have ended."""
    retired = [_retire(cluster, one) for one in _existing(cluster, name)]
    return all(retired)


def list_schedules(cluster: Cluster) -> list[Any]:
    """All of them."""
    found: list[Any] = []
    token = ""
    while True:
        with cluster.asking("list the schedules"):
            page = cluster.recurring.recurring_run_service_list_recurring_runs(
                page_size=PAGE, page_token=token, **cluster.in_namespace
            )
        found += page.recurring_runs or []
        token = page.next_page_token or ""
        if not token:
            return found


def named(cluster: Cluster, name: str) -> list[Any]:
    """Those of a name: one, or two where an update was interrupted."""
    return [one for one in list_schedules(cluster) if one.display_name == name]


def _retire(cluster: Cluster, schedule: Any) -> bool:
    """No further run by it; whether it could be deleted without ending one."""
    own = schedule.recurring_run_id
    with cluster.asking("pause the old schedule"):
        cluster.recurring.recurring_run_service_disable_recurring_run(own)
    if any(run.recurring_run_id == own and run.state not in ENDED for run in list_runs(cluster, LOOKED_AT)):
        return False
    with cluster.asking("delete the old schedule"):
        cluster.recurring.recurring_run_service_delete_recurring_run(own)
    return True


def is_on(schedule: Any) -> bool:
    """Whether it fires."""
    return schedule.status == "ENABLED" or (schedule.status is None and schedule.mode == "ENABLE")


def _make(cluster: Cluster, schedule: Schedule) -> str:
    api, when = cluster.api, schedule.when
    if when.cron is not None:
        trigger = api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=when.cron))
    else:
        periodic = api.V2beta1PeriodicSchedule(interval_second=str(when.interval))
        trigger = api.V2beta1Trigger(periodic_schedule=periodic)
    body = api.V2beta1RecurringRun(
        display_name=schedule.name,
        experiment_id=experiment_id(cluster),
        pipeline_version_reference=reference(cluster, schedule.version),
        runtime_config=api.V2beta1RuntimeConfig(parameters=dict(schedule.parameters)),
        trigger=trigger,
        mode="DISABLE" if schedule.is_paused else "ENABLE",
        max_concurrency="1",
        no_catchup=True,
        service_account=ACCOUNT,
    )
    with cluster.asking("make the schedule"):
        return str(cluster.recurring.recurring_run_service_create_recurring_run(body).recurring_run_id)


def _existing(cluster: Cluster, name: str) -> list[Any]:
    found = named(cluster, name)
    if not found:
        raise VocoError(f"{name}: no such schedule; {_known(cluster)}")
    return found


def _known(cluster: Cluster) -> str:
    return f"there are {', '.join(sorted({one.display_name for one in list_schedules(cluster)})) or 'none'}"
