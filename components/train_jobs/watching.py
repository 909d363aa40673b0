"""Following a TrainJob until it ends: its state, its pods' logs, and how it ended."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from components.train_jobs.api import Kubernetes, Pod, Unreachable
from voco_model.errors import VocoError
from voco_model.training.preemption import PREEMPTED

LOOK_EVERY = 5.0
"""Seconds between two looks."""
LOST_LOOKS = 24
"""Looks in a row that may fail: Kubernetes' own servers are replaced in less."""
RECONNECTS = 5
"""Times in a row that a log may break off without a new line."""
RECONNECT_AFTER = 1.0
"""Seconds before a log is read again; longer each time."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Ended:
    """How a TrainJob ended."""

    code: int
    """0, 75 where it was preempted, or what the first node to fail ended with."""
    reason: str


def to_stderr(line: str) -> None:
    """Where a step's own progress goes too."""
    print(line, file=sys.stderr, flush=True)


def watch(kubernetes: Kubernetes, name: str, tell: Tell = to_stderr) -> Ended:
    """Until it has ended. Kubernetes may be away for a while."""
    seen: dict[str, Pod] = {}
    logs = Logs(kubernetes, tell)
    lost, last = 0, ""
    try:
        while True:
            try:
                job, pods = kubernetes.get(name), kubernetes.pods(name)
                lost = 0
            except Unreachable as error:
                lost += 1
                if lost >= LOST_LOOKS:
                    raise VocoError(
                        f"{error}; {name} may still run: the same step again goes on with it"
                    ) from None
                time.sleep(LOOK_EVERY)
                continue
            seen |= {pod.name: pod for pod in pods}
            logs.follow(pods)
            if (state := _state(name, pods)) != last:
                tell(state)
                last = state
            if (ended := how_ended(job, list(seen.values()))) is not None:
                return ended
            time.sleep(LOOK_EVERY)
    finally:
        logs.finish()


def how_ended(job: dict[str, Any] | None, pods: list[Pod]) -> Ended | None:
    """None while it goes on. A node taken away counts for more than what the others then say."""
    if job is None:
        return Ended(PREEMPTED, "somebody deleted it")
    conditions = (job.get("status") or {}).get("conditions") or []
    true = {one["type"]: one for one in conditions if one.get("status") == "True"}
    if "Complete" in true:
        return Ended(0, "complete")
    if "Failed" not in true:
        return None
    taken = [pod for pod in pods if pod.was_disrupted or pod.exit_code == PREEMPTED]
    if taken:
        return Ended(PREEMPTED, f"node {taken[0].node} was taken away")
    failed = [pod for pod in pods if pod.exit_code]
    if failed:
        code = int(failed[0].exit_code or 1)
        return Ended(code, f"node {failed[0].node} ended with {code}")
    told = true["Failed"]
    return Ended(1, f"{told.get('reason', 'Failed')}: {told.get('message', 'no message')}")


def _state(name: str, pods: list[Pod]) -> str:
    running = sum(pod.phase == "Running" for pod in pods)
    ended = sum(pod.has_ended for pod in pods)
    return f"{name}: {len(pods)} nodes, {running} running, {ended} ended"


class Logs:
    """The pods' logs, a thread for each, every line once."""

    def __init__(self, kubernetes: Kubernetes, tell: Tell) -> None:
        self._kubernetes, self._tell = kubernetes, tell
        self._threads: dict[str, threading.Thread] = {}
        self._stopped = threading.Event()

    def follow(self, pods: list[Pod]) -> None:
        """Begin with those that have started."""
        for pod in pods:
            if pod.name not in self._threads and pod.phase != "Pending":
                thread = threading.Thread(target=self._read, args=(pod,), daemon=True)
                self._threads[pod.name] = thread
                thread.start()

    def finish(self, seconds: float = 10.0) -> None:
        """The last lines; a log that still hangs is left."""
        until = time.monotonic() + seconds
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))
        self._stopped.set()

    def _read(self, pod: Pod) -> None:
        """Until it is whole; where it broke off, it is read again, and lines told before are left out."""
        told, failed = 0, 0
        while not self._stopped.is_set():
            before = told
            try:
                for number, line in enumerate(self._kubernetes.log(pod.name)):
                    if number >= told:
                        self._tell(f"node {pod.node}: {line.partition(' ')[2]}")
                        told = number + 1
                return
            except Unreachable as error:
                failed = 1 if told > before else failed + 1
                if failed >= RECONNECTS:
                    self._tell(f"node {pod.node}: {error}; the training goes on")
                    return
                self._stopped.wait(failed * RECONNECT_AFTER)
            except VocoError:
                return  # the pod is gone, and its log with it
