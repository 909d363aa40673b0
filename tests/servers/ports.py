"""Loopback ports: a free one, and waiting until somebody listens there."""

import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], logs: Iterable[Path], seconds: float) -> None:
    """Until somebody listens; an error with the ends of the logs when the process ended or it takes too long."""
    until = time.monotonic() + seconds
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > until:
            said = "\n".join(path.read_text(errors="replace")[-1500:] for path in sorted(logs))
            raise RuntimeError(f"nothing listens on port {port}:\n{said}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
