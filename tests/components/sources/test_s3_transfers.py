"""Transfers from S3 that are damaged, broken off or stopped: noticed, repeated, gone on with."""

import hashlib
import json
import random

import pytest

from components.ingest import ingest
from components.sources import Stamp, s3, transfer
from components.sources.transfer import Transient, persistently
from tests.components.ingest_worlds import read_json
from tests.components.sources.buckets import DAMAGE, flipped, opened, spoil, upload
from tests.components.test_ingest import config
from voco_model.errors import VocoError


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("size", [1000, 450_000])
def test_damaged_transfers_are_noticed_and_repeated(client, plain, endpoint, tmp_path, monkeypatch, damage, size):
    monkeypatch.setattr(s3, "RANGE", 100_000)
    monkeypatch.setattr(s3, "LARGE", 200_000)
    data = random.Random(1).randbytes(size)
    client.put_object(Bucket=plain, Key="data/a.bin", Body=data)
    found = opened(plain, endpoint, tmp_path)
    asked = spoil(monkeypatch, DAMAGE[damage], 2)
    assert found.fetch("a.bin", found.stamp("a.bin")).read_bytes() == data
    assert len(asked) > (5 if size > 200_000 else 1)
    found.close()


def test_a_transfer_that_never_comes_right_ends_and_names_the_key(client, plain, endpoint, tmp_path, monkeypatch):
    client.put_object(Bucket=plain, Key="data/a.bin", Body=bytes(1000))
    found = opened(plain, endpoint, tmp_path)
    asked = spoil(monkeypatch, flipped, 10**6)
    with pytest.raises(
        VocoError, match=r"data/a.bin: failed 6 times, last: the bytes that arrived have another md5"
    ):
        found.fetch("a.bin", found.stamp("a.bin"))
    assert len(asked) == 6
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    found.close()


def test_stated_checksums_are_held_where_the_etag_is_none(client, plain, endpoint, tmp_path, monkeypatch):
    """A multi-part object's ETag is no MD5; the checksum that was stored with it is what remains."""
    client.put_object(Bucket=plain, Key="data/a.bin", Body=b"x" * 1000, ChecksumAlgorithm="SHA256")
    answer = client.head_object(Bucket=plain, Key="data/a.bin", ChecksumMode="ENABLED")
    stated = s3._stated(answer, Stamp(1000, "0123-2"))
    assert stated["sha256"] == hashlib.sha256(b"x" * 1000).hexdigest()
    checks = transfer.Checks(stated)
    checks.update(b"x" * 1000)
    checks.finish()
    with pytest.raises(Transient, match="sha256"):
        transfer.Checks(stated).finish()
    with pytest.raises(Transient, match="crc32"):
        transfer.Checks({"crc32": "00000001"}).finish()
    encrypted = {"ServerSideEncryption": "aws:kms"}
    assert s3._stated(encrypted, Stamp(1000, "0" * 32)) == {}


def test_a_large_object_goes_on_range_by_range_after_a_stop(client, plain, endpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(s3, "RANGE", 100_000)
    monkeypatch.setattr(s3, "LARGE", 200_000)
    data = random.Random(2).randbytes(1_050_000)
    client.put_object(Bucket=plain, Key="data/a.bin", Body=data)
    first = opened(plain, endpoint, tmp_path)
    usual = s3.S3Source._object

    def stopping(self, operation, path, stamp, **more):
        if more.get("Range", "").startswith("bytes=500000"):
            raise VocoError("stopped here")
        return usual(self, operation, path, stamp, **more)

    with monkeypatch.context() as patched:
        patched.setattr(s3.S3Source, "_object", stopping)
        with pytest.raises(VocoError, match="stopped here"):
            first.fetch("a.bin", first.stamp("a.bin"))
    first.close()
    (state,) = tmp_path.rglob("*.ranges")
    done = json.loads(state.read_text())
    assert done
    second = opened(plain, endpoint, tmp_path)
    asked = spoil(monkeypatch, None, 0)
    assert second.fetch("a.bin", second.stamp("a.bin")).read_bytes() == data
    assert len(asked) == 11 - len(done)
    assert not {int(wanted.split("=")[1].split("-")[0]) for wanted in asked} & set(done)
    second.fetch("a.bin", second.stamp("a.bin"))
    assert len(asked) == 11 - len(done)
    second.close()


def test_an_ingest_that_was_stopped_does_not_fetch_again(client, plain, endpoint, source, tmp_path, monkeypatch):
    upload(client, plain, source)
    uri = f"s3://{plain}/data"

    def stopping(*arguments, **more):
        yield from read_json(*arguments, **more)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(config(uri, tmp_path / "out", endpoint_url=endpoint, workers=1), stopping)
    held = {p.name for p in (tmp_path / ".out.fetched").rglob("*.jpg")}
    assert not (tmp_path / "out").exists()
    asked = spoil(monkeypatch, None, 0)
    report = ingest(config(uri, tmp_path / "out", endpoint_url=endpoint), read_json)
    assert report.records == 20
    assert len(asked) == 15 - len(held)
    assert not (tmp_path / ".out.fetched").exists()


def test_waits_grow_are_random_and_end(monkeypatch):
    bounds, waits = [], []
    monkeypatch.setattr(transfer, "FIRST_WAIT", 0.2)
    monkeypatch.setattr(transfer, "LONGEST_WAIT", 1.0)
    monkeypatch.setattr(transfer.random, "uniform", lambda low, high: bounds.append((low, high)) or high)
    monkeypatch.setattr(transfer.time, "sleep", waits.append)

    def failing():
        raise Transient("busy")

    with pytest.raises(VocoError, match="x: failed 6 times, last: busy"):
        persistently("x", failing)
    assert bounds == [(0, 0.2), (0, 0.4), (0, 0.8), (0, 1.0), (0, 1.0)]
    assert waits == [high for _, high in bounds]
