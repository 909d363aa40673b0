"""A PostgreSQL server on loopback, as a user that is not root, ended and removed with its test."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.ports import free_port, wait_for_port

USER = "mlflow"
LONGEST = 60


@dataclass(frozen=True)
class Postgres:
    """Where the server listens, and the one user that it knows."""

    port: int
    password: str = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What PostgreSQL's client library reads."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": self.password,
        }


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`; Debian keeps them off the path."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").is_file():
            return folder
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """The server, from an empty database `mlflow` to its end."""
    folder = programs()
    assert folder, "check programs() first"
    server = Postgres(free_port(), secrets.token_hex(16))
    with tempfile.TemporaryDirectory(prefix="voco-postgres-") as place:
        user = _other_than_root(Path(place))
        _initialise(folder, Path(place), server, user)
        process = _start(folder, Path(place), server, user)
        try:
            wait_for_port(server.port, process, [Path(place) / "log"], LONGEST)
            arguments = [folder / "createdb", "mlflow"]
            subprocess.run(arguments, env=os.environ | server.environment, check=True, timeout=LONGEST)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # "fast": sessions are ended, not waited for
            process.wait(timeout=LONGEST)


def _other_than_root(place: Path) -> dict[str, Any]:
    """Under root, whom the server runs as instead; the folder becomes theirs."""
    if os.geteuid():
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(place, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _initialise(folder: Path, place: Path, server: Postgres, user: dict[str, Any]) -> None:
    secret = place / "password"
    secret.write_text(server.password)
    if user:
        os.chown(secret, user["user"], user["group"])
    command = [folder / "initdb", "--pgdata", place / "data", "--username", USER, "--pwfile", secret]
    options = ["--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"]
    subprocess.run([*command, *options], cwd=place, check=True, capture_output=True, timeout=LONGEST, **user)


def _start(folder: Path, place: Path, server: Postgres, user: dict[str, Any]) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": server.port,
        "unix_socket_directories": place,
        "fsync": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (place / "log").open("wb") as log:
        return subprocess.Popen(
            [folder / "postgres", "-D", place / "data", *options], cwd=place, stdout=log, stderr=log, **user
        )
