"""S3 as a source and as DVC's remote, on a server that keeps versions, holds conditions and knows its users."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time

import boto3
import pytest

from components.dvc_tracking import track
from components.ingest import ingest
from components.sources import open_source, s3, transfer
from tests.components.ingest_worlds import contents, jpeg, make_source, read_json
from tests.components.test_dvc_tracking import dvc
from tests.components.test_ingest import config, rows
from voco_model.errors import VocoError

pytestmark = pytest.mark.integration
LARGE = 5 * s3.RANGE + 12_345
FETCH = """
import sys
from pathlib import Path
from components.sources import open_source
source = open_source(sys.argv[1], Path(sys.argv[2]), endpoint_url=sys.argv[3], workers=1)
source.fetch("large.bin", source.stamp("large.bin"))
"""


@pytest.fixture(autouse=True)
def settings(object_store, monkeypatch):
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials of whoever asked first
    monkeypatch.setattr(transfer, "FIRST_WAIT", 0.01)


@pytest.fixture
def client(object_store):
    made = object_store.client()
    yield made
    made.close()


@pytest.fixture
def bucket(client, request):
    name = "bucket-" + "".join(letter for letter in request.node.name if letter.isalnum())[-40:].lower()
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    make_source(folder)
    return folder


def upload(client, bucket, folder):
    for path, data in contents(folder).items():
        client.put_object(Bucket=bucket, Key=f"data/{path}", Body=data)


def opened(bucket, object_store, cache, workers=4):
    return open_source(f"s3://{bucket}/data", cache, endpoint_url=object_store.endpoint, workers=workers)


def test_the_folders_shards_and_pins_that_hold_when_objects_change(client, bucket, object_store, source, tmp_path):
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    upload(client, bucket, source)
    ingest(config(source, tmp_path / "local"), read_json)
    remote = {"source": f"s3://{bucket}/data", "endpoint_url": object_store.endpoint}
    first = ingest(config(out=tmp_path / "v1", **remote), read_json)
    assert contents(tmp_path / "v1/shards") == contents(tmp_path / "local/shards")
    assert all(row["version"] and row["tag"] for row in rows(tmp_path / "v1", "sources.parquet"))

    client.put_object(Bucket=bucket, Key="data/images/0/00000.jpg", Body=jpeg(77))
    client.delete_object(Bucket=bucket, Key="data/images/1/00001.jpg")
    pinned = ingest(config(out=tmp_path / "again", pins=tmp_path / "v1", **remote), read_json)
    assert pinned.version == first.version
    assert contents(tmp_path / "again") == contents(tmp_path / "v1")
    newer = config(out=tmp_path / "v2", previous=tmp_path / "v1", quarantine_limit=1, **remote)
    changes = ingest(newer, read_json).changes
    assert (changes.added, changes.changed, changes.removed) == ([], ["r0"], ["r1"])


def test_a_killed_download_goes_on_where_it_was(client, bucket, object_store, tmp_path, monkeypatch):
    data = random.Random(1).randbytes(LARGE)
    client.put_object(Bucket=bucket, Key="data/large.bin", Body=data)
    command = [sys.executable, "-c", FETCH, f"s3://{bucket}/data", str(tmp_path), object_store.endpoint]
    process = subprocess.Popen(command, start_new_session=True)
    until = time.monotonic() + 60
    while not (states := list(tmp_path.rglob("*.ranges"))) and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    done = set(json.loads(states[0].read_text()))
    assert 0 < len(done) < 6, "the download was to be cut in its middle"

    asked = []
    usual = s3.S3Source._object

    def counted(self, operation, path, stamp, **more):
        asked.append(more.get("Range"))
        return usual(self, operation, path, stamp, **more)

    monkeypatch.setattr(s3.S3Source, "_object", counted)
    again = opened(bucket, object_store, tmp_path)
    assert again.fetch("large.bin", again.stamp("large.bin")).read_bytes() == data
    again.close()
    starts = {int(wanted.split("=")[1].split("-")[0]) for wanted in asked if wanted}
    assert starts == set(range(0, LARGE, s3.RANGE)) - done


@pytest.mark.parametrize("size", [100, s3.LARGE])
def test_what_changes_or_vanishes_after_the_listing_is_named(client, bucket, object_store, tmp_path, size):
    for name in "ab":
        client.put_object(Bucket=bucket, Key=f"data/{name}.bin", Body=name.encode() * size)
    found = opened(bucket, object_store, tmp_path)
    client.put_object(Bucket=bucket, Key="data/a.bin", Body=b"x" * size)
    client.delete_object(Bucket=bucket, Key="data/b.bin")
    for name, what in (("a", "changed"), ("b", "vanished")):
        with pytest.raises(
            VocoError, match=f"s3://{bucket}/data/{name}.bin: {what} after it was listed"
        ) as caught:
            found.fetch(f"{name}.bin", found.stamp(f"{name}.bin"))
        assert "\n" not in str(caught.value)
    found.close()


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_wrong_credentials_are_refused_in_one_line(bucket, object_store, tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "made-up-and-wrong")
    with pytest.raises(VocoError, match=r"the store answers .*; check the endpoint, the credentials") as caught:
        opened(bucket, object_store, tmp_path)
    said = str(caught.value)
    assert "\n" not in said
    assert "made-up-and-wrong" not in said
    assert object_store.secret_key not in said


def test_a_data_set_goes_to_dvcs_remote_and_comes_back(
    client, bucket, object_store, source, tmp_path, monkeypatch
):
    for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    repo = tmp_path / "repo"
    repo.mkdir()
    dvc(repo, "init", "--no-scm", "--quiet")
    ingest(config(source, repo / "data/small"), read_json)
    before = contents(repo / "data/small")
    endpoint = object_store.endpoint
    track(repo / "data/small", repo, remote_url=f"s3://{bucket}/dvc", endpoint_url=endpoint, push=True)
    assert client.list_objects_v2(Bucket=bucket, Prefix="dvc/")["KeyCount"] > len(before) // 2
    shutil.rmtree(repo / "data/small")
    shutil.rmtree(repo / ".dvc/cache")
    dvc(repo, "pull", "--quiet")
    assert contents(repo / "data/small") == before
    kept = "".join(path.read_text() for path in (repo / ".dvc").glob("config*"))
    assert object_store.secret_key not in kept
