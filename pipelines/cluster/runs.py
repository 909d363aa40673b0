"""Runs at the cluster: started, waited for, listed, and their logs."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pipelines.cluster.connection import ANSWER, CONNECT, Cluster
from pipelines.cluster.packages import Version
from voco_model.errors import VocoError

EXPERIMENT = "voco"
ACCOUNT = "voco-pipeline"
"""The steps' service account; `infra/kubernetes/base/accounts.yaml`."""
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
PAGE = 50
SILENCE = 900.0
"""Seconds that a log which is followed may say nothing."""
FAILED_LOOKS = 6
"""Looks in a row that may fail before waiting is given up; the run goes on without us."""


def experiment_id(cluster: Cluster) -> str:
    """Of the experiment that holds our runs; made if it is not there."""
    with cluster.asking("look for the experiment"):
        found = cluster.experiments.experiment_service_list_experiments(page_size=PAGE, **cluster.in_namespace)
        for one in found.experiments or []:
            if one.display_name == EXPERIMENT:
                return str(one.experiment_id)
        body = cluster.api.V2beta1Experiment(display_name=EXPERIMENT, **cluster.in_namespace)
        return str(cluster.experiments.experiment_service_create_experiment(body).experiment_id)


def submit(cluster: Cluster, version: Version, name: str, parameters: Mapping[str, Any]) -> str:
    """Start a run of a version; its id."""
    body = cluster.api.V2beta1Run(
        display_name=name,
        experiment_id=experiment_id(cluster),
        pipeline_version_reference=reference(cluster, version),
        runtime_config=cluster.api.V2beta1RuntimeConfig(parameters=dict(parameters)),
        service_account=ACCOUNT,
    )
    with cluster.asking("start the run"):
        return str(cluster.runs.run_service_create_run(body).run_id)


def reference(cluster: Cluster, version: Version) -> Any:
    """How a run or schedule names a version."""
    return cluster.api.V2beta1PipelineVersionReference(
        pipeline_id=version.pipeline, pipeline_version_id=version.id
    )


def wait(
    cluster: Cluster,
    run: str,
    timeout: float,
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    every: float = 10.0,
) -> str:
    """Until the run has ended; its state. A look that fails is repeated, a few times."""
    until, failed, last = time.monotonic() + timeout, 0, ""
    while True:
        try:
            with cluster.asking("look at the run"):
                state = str(cluster.runs.run_service_get_run(run).state)
            failed = 0
        except VocoError as error:
            failed += 1
            if failed >= FAILED_LOOKS or "KFP_TOKEN" in str(error):
                raise VocoError(f"{error}; the run goes on: `voco runs {run}`") from None
            state = last
        if state != last:
            tell(f"{datetime.now(UTC):%H:%M:%S} {state.lower()}")
            last = state
        if state in ENDED:
            return state
        if time.monotonic() > until:
            raise VocoError(
                f"{run}: still {state.lower()} after {timeout / 3600:g} h; it goes on: `voco runs {run}`"
            )
        time.sleep(every)


def list_runs(cluster: Cluster, most: int) -> list[Any]:
    """The newest first."""
    found: list[Any] = []
    token = ""
    while len(found) < most:
        size = min(PAGE, most - len(found))
        with cluster.asking("list the runs"):
            page = cluster.runs.run_service_list_runs(
                page_size=size, page_token=token, sort_by="created_at desc", **cluster.in_namespace
            )
        found += page.runs or []
        token = page.next_page_token or ""
        if not token:
            break
    return found


def get_run(cluster: Cluster, run: str) -> Any:
    """A run with its tasks."""
    with cluster.asking(f"find the run {run}"):
        return cluster.runs.run_service_get_run(run)


def tasks_of(run: Any) -> list[Any]:
    """A run's tasks in the order of their start, without KFP's own drivers."""
    details = (run.run_details.task_details if run.run_details else None) or []
    own = [one for one in details if one.display_name and not _is_inner(one.display_name)]
    return sorted(own, key=lambda one: one.start_time or datetime.max.replace(tzinfo=UTC))


def log_lines(cluster: Cluster, run: str, task: str, follow: bool = False) -> Iterator[str]:
    """The lines that a task's pods have printed."""
    found = get_run(cluster, run)
    pods = pods_of(found, task)
    if not pods:
        known = ", ".join(one.display_name for one in tasks_of(found)) or "none yet"
        raise VocoError(f"{task}: no pod of such a task in the run {run}; its tasks: {known}")
    for pod in pods:
        yield from _pod_lines(cluster, run, pod, follow)


def pods_of(run: Any, task: str) -> list[str]:
    """Names of the pods in which a task's own code runs."""
    details = (run.run_details.task_details if run.run_details else None) or []
    by_id = {one.task_id: one for one in details}
    waiting = [one for one in details if one.display_name == task]
    names: list[str] = []
    seen: set[str] = set()
    while waiting:
        one = waiting.pop(0)
        if one.task_id in seen:
            continue
        seen.add(one.task_id)
        children = one.child_tasks or []
        names += [name for name in (one.pod_name, *(child.pod_name for child in children)) if name]
        waiting += [by_id[child.task_id] for child in children if child.task_id in by_id]
        waiting += [other for other in details if other.parent_task_id == one.task_id]
    unique = list(dict.fromkeys(names))
    return [name for name in unique if "-impl-" in name] or [name for name in unique if "-driver-" not in name]


def _pod_lines(cluster: Cluster, run: str, pod: str, follow: bool) -> Iterator[str]:
    """Logs are no part of the generated API: KFP serves them beside it."""
    import urllib3

    headers = {"Accept": "text/plain"}
    if cluster.address.token:
        headers["authorization"] = f"Bearer {cluster.address.token}"
    url = f"{cluster.address.host}/apis/v1alpha1/runs/{run}/nodes/{pod}/log"
    with cluster.asking(f"read the log of {pod}"):
        response = cluster.client.rest_client.GET(
            url + ("?follow=true" if follow else ""),
            headers=headers,
            _preload_content=False,
            _request_timeout=(CONNECT, SILENCE if follow else ANSWER),
        )
        rest = b""
        try:
            for chunk in response.stream(1 << 14):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in lines)
        except urllib3.exceptions.ReadTimeoutError:
            raise VocoError(f"{pod}: silent for {SILENCE:g} s; look again with `voco logs {run} TASK`") from None
        finally:
            response.release_conn()
        if rest:
            yield rest.decode(errors="replace")


def _is_inner(name: str) -> bool:
    return name in ("root", "executor") or name.endswith("-driver") or name.startswith("iteration-")
