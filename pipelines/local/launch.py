"""One local run from beginning to end: compiled, started, watched, tracked."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.compiling import Images, compile_pipeline
from pipelines.local.containers import Container, open_to_steps
from pipelines.local.home import Home, new_run_id
from pipelines.local.watching import Seen, Watch
from pipelines.profiles import Profile
from voco_model.errors import VocoError

PASSED_ON = (
    *("VOCO_NOTIFY", "VOCO_OPENLINEAGE", "OMP_NUM_THREADS"),
    *("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
)
"""From this process's environment to the steps' containers; by name alone in what is written down."""
LOOK_EVERY = 0.2
TIME_TO_SAVE = 60.0
"""Seconds that a step is given to save what it has when the run is interrupted."""
Show = Callable[[Seen], None]


@dataclass(frozen=True)
class Finished:
    """How a run ended."""

    run_id: str
    ok: bool
    seconds: float
    seen: Seen
    log: Path
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Launch:
    """What is run, and how."""

    home: Home
    profile: Profile
    pipeline: str = "retraining"
    caching: bool = True
    fresh: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)
    container: Container | None = None
    """Where steps run, if not in this machine's own Python."""

    def run(self, show: Show) -> Finished:
        """Do it. Interrupted, the step at work is told to save, and the same command goes on from there."""
        import time

        from components.tracking.replay import Forwarder, replay_rest
        from components.tracking.runs import close_run, open_run

        start = time.perf_counter()
        if self.container is not None:
            open_to_steps(self.home.root)
        run_id = new_run_id()
        folder = self.home.run(run_id)
        (folder / "spool").mkdir(parents=True)
        spec = self._write_spec(folder)
        watch = Watch(folder / "log.txt")
        uri = self.home.tracking_uri
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        with Forwarder(folder / "spool", uri, run_id):
            open_run(uri, run_id, f"{self.pipeline} {self.profile.name}", {"profile": self.profile.name}, {})
            replay_rest(folder.parent, uri)
            code = self._follow(run_id, spec, watch, show)
        seen = watch.look()
        ok = code == 0 and seen.is_well
        try:
            close_run(uri, run_id, "FINISHED" if ok else "FAILED")
        except VocoError as error:  # the run is over all the same, and what was not sent is kept
            print(error, file=sys.stderr)
        return Finished(run_id, ok, time.perf_counter() - start, seen, watch.log)

    def _write_spec(self, folder: Path) -> Path:
        package = compile_pipeline(
            self.pipeline,
            self.profile,
            folder / "pipeline.yaml",
            Images(self.container.reference, self.container.reference) if self.container else Images.local(),
            caching=self.caching,
            fresh=self.fresh,
        )
        spec = {
            "package": str(package),
            "outputs": str(self.home.outputs),
            "cache": str(self.home.cache),
            "caching": self.caching,
            "arguments": self.arguments,
            "container": self.container is not None,
            "home": str(self.home.root),
            "passed_on": [*self._environment(folder.name), *PASSED_ON],
        }
        path = folder / "spec.json"
        path.write_text(json.dumps(spec, indent=1) + "\n", "utf-8")
        return path

    def _environment(self, run_id: str) -> dict[str, str]:
        """What a step's process finds. In a container, the code's commit and the image are told it too."""
        given = self.home.environment(run_id)
        if self.container is not None:
            from components.stepping.record import code

            given |= {"VOCO_IMAGE": f"{self.container.reference}@{self.container.id}"}
            given |= {"VOCO_COMMIT": commit} if (commit := code().commit) else {}
        return given

    def _follow(self, run_id: str, spec: Path, watch: Watch, show: Show) -> int:
        environment = os.environ | self._environment(run_id)
        with watch.log.open("wb") as log, _started(spec, environment, log) as process:
            while True:
                try:
                    process.wait(LOOK_EVERY)
                except subprocess.TimeoutExpired:
                    show(watch.look())
                    continue
                show(watch.look())
                return process.returncode


@contextmanager
def _started(spec: Path, environment: dict[str, str], log: Any) -> Iterator[subprocess.Popen[bytes]]:
    """KFP's process and all of its own; whatever happens, none of them is left behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.local.runner", str(spec)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    except BaseException:
        _signal(process, signal.SIGTERM)
        try:
            process.wait(TIME_TO_SAVE)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
        raise
    finally:
        _signal(process, signal.SIGKILL)  # what a task may have left


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
