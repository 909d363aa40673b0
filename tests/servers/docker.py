"""A Docker Engine of its own, from Debian's `docker.io`: data, socket and processes end with the tests.

It makes no bridge and touches no firewall: containers run with the host's network or with none.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEBIAN = os.pathsep.join(("/usr/bin", "/usr/sbin", "/bin", "/sbin"))
"""Where the package's programs lie; a newer client, first on the path, may want plugins that are absent."""
LONGEST = 60


@dataclass(frozen=True)
class DockerEngine:
    """A running engine."""

    folder: Path

    @property
    def host(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.folder}/docker.sock"

    def call(self, *arguments: str | Path, seconds: float = LONGEST) -> str:
        """One `docker ...` that has to succeed; what it printed."""
        done = self.attempt(*arguments, seconds=seconds)
        if done.returncode:
            raise RuntimeError(f"docker {arguments[0]} failed: {done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout

    def attempt(self, *arguments: str | Path, seconds: float = LONGEST) -> subprocess.CompletedProcess[str]:
        """One `docker ...` that may fail."""
        environment = os.environ | {
            "DOCKER_HOST": self.host,
            "DOCKER_BUILDKIT": "1",
            "DOCKER_CONFIG": str(self.folder / "client"),
        }
        command = [str(_program("docker")), *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)


def what_is_missing() -> str:
    """Why no engine can be started here; empty where one can."""
    if os.geteuid():
        return "a container engine is started by root alone"
    absent = [name for name in ("dockerd", "containerd", "runc", "docker") if not _program(name)]
    return f"{', '.join(absent)} missing; `.ci/packages` installs docker.io" if absent else ""


@contextmanager
def running_docker() -> Iterator[DockerEngine]:
    """The engine, from an empty store of images to its end; nothing of it is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="voco-docker-"))
    engine = DockerEngine(folder)
    process = None
    try:
        process = _start(engine)
        yield engine
    finally:
        if process:
            _stop(engine, process)
        shutil.rmtree(folder)


def _program(name: str) -> str | None:
    return shutil.which(name, path=DEBIAN)


def _start(engine: DockerEngine) -> "subprocess.Popen[bytes]":
    settings = {
        "data-root": f"{engine.folder}/data",
        "exec-root": f"{engine.folder}/exec",
        "pidfile": f"{engine.folder}/pid",
        "hosts": [engine.host],
        "bridge": "none",
        "iptables": False,
        "ip6tables": False,
    }
    config, log = engine.folder / "daemon.json", engine.folder / "log"
    config.write_text(json.dumps(settings))
    with log.open("wb") as said:
        command = [str(_program("dockerd")), "--config-file", str(config)]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=os.environ | {"PATH": DEBIAN}
        )
    until = time.monotonic() + LONGEST
    while engine.attempt("version").returncode:
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            process.wait()
            raise RuntimeError(f"dockerd did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.2)
    return process


def _stop(engine: DockerEngine, process: "subprocess.Popen[bytes]") -> None:
    """Containers first, and whatever is still mounted last: it would keep the folder from being removed."""
    running = engine.attempt("ps", "--quiet").stdout.split()
    if running:
        engine.attempt("kill", *running)
    process.terminate()
    process.wait(timeout=LONGEST)
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed([place for place in mounted if place.startswith(f"{engine.folder}/")]):
        subprocess.run(["umount", place], check=True, timeout=LONGEST)  # it leaves the host's network mounted
