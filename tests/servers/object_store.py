"""A real S3 server: Ceph's radosgw over one monitor and one file-backed store, all of them ours and temporary."""

import os
import secrets
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.servers.ports import free_port, wait_for_port

PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "monmaptool", "radosgw", "radosgw-admin")
LONGEST = 90
"""Seconds that one step of starting may take on a busy machine."""
SETTINGS = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
mon data = {folder}/mon
mon cluster log file = {folder}/cluster.log
mon allow pool size one = true
mon max pg per osd = 1000
osd data = {folder}/osd
osd objectstore = bluestore
bluestore block size = 2147483648
bluestore fsck on mount = false
osd memory target = 939524096
osd pool default size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw enable usage log = false
rgw run sync thread = false
"""


@dataclass(frozen=True)
class ObjectStore:
    """Where the server listens, and the one user that it knows."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What the usual S3 clients read."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def client(self) -> Any:
        """A boto3 client of its own; end it with `close()`."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 3}),
        )


def missing_programs() -> list[str]:
    """Those of Debian's `radosgw ceph-mon ceph-osd ceph-common` that are not here."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@contextmanager
def running_object_store() -> Iterator[ObjectStore]:
    """The server, from an empty store to its end; nothing of it is left behind."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="voco-s3-")))
        yield _Cluster(folder, stack).start()


class _Cluster:
    """The processes and their files, all below one folder."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.fsid, self.mon_port, self.port = str(uuid.uuid4()), free_port(), free_port()
        self.conf = folder / "ceph.conf"
        self.conf.write_text(
            SETTINGS.format(fsid=self.fsid, folder=folder, mon_port=self.mon_port, port=self.port)
        )
        for name in ("mon", "osd", "rgw"):
            (folder / name).mkdir()

    def start(self) -> ObjectStore:
        store = ObjectStore(f"http://127.0.0.1:{self.port}", f"K{secrets.token_hex(9)}", secrets.token_hex(20))
        self._monitor()
        self._storage()
        keys = (f"--access-key={store.access_key}", f"--secret-key={store.secret_key}")
        self._call("radosgw-admin", "user", "create", "--uid=tester", "--display-name=tester", *keys)
        gateway = self._serve("radosgw", "-n", "client.rgw")
        wait_for_port(self.port, gateway, self.folder.glob("*.out"), LONGEST)
        return store

    def _monitor(self) -> None:
        monmap, address = str(self.folder / "monmap"), f"[v2:127.0.0.1:{self.mon_port}]"
        self._call("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", address, monmap)
        self._call("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._serve("ceph-mon", "-i", "a")

    def _storage(self) -> None:
        own = str(uuid.uuid4())
        self._call("ceph", "osd", "new", own, "0")
        self._call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", own)
        self._serve("ceph-osd", "-i", "0")

    def _call(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [program, "-c", str(self.conf), *arguments], capture_output=True, text=True, timeout=LONGEST
        )
        if done.returncode:
            raise RuntimeError(f"{program} {arguments[0]} failed: {done.stderr[-2000:]}")

    def _serve(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """In the foreground, so that it is our child, and ended with us in the reverse order."""
        log = self.stack.enter_context((self.folder / f"{program}.out").open("wb"))
        command = [program, "-f", "-c", str(self.conf), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_plain())
        self.stack.callback(_end, process)
        return process


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CEPH_")}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing in the store is worth an orderly farewell, which takes seconds."""
    process.kill()
    process.wait(timeout=LONGEST)
