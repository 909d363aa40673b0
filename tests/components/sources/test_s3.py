"""Ingests from S3: paginated, pinned, by increment; what changed or vanished is named in one line."""

import pytest

from components.ingest import ingest
from components.sources import open_source, s3
from tests.components.ingest_worlds import contents, item, jpeg, read_json
from tests.components.sources.buckets import opened, upload
from tests.components.test_ingest import config, rows
from voco_model.data.media import MediaFault
from voco_model.errors import VocoError


def test_s3_gives_the_shards_of_the_folder_and_pins_what_it_read(client, bucket, endpoint, source, tmp_path):
    upload(client, bucket, source)
    for stray in ("data/images2/x.jpg", "other/y.jpg"):
        client.put_object(Bucket=bucket, Key=stray, Body=b"no")
    ingest(config(source, tmp_path / "local"), read_json)
    uri = f"s3://{bucket}/data"
    first = ingest(config(uri, tmp_path / "v1", endpoint_url=endpoint), read_json)
    assert contents(tmp_path / "v1/shards") == contents(tmp_path / "local/shards")
    assert not (tmp_path / ".v1.fetched").exists()
    lock = rows(tmp_path / "v1", "sources.parquet")
    assert [row["path"] for row in lock][:2] == ["chat.json", "images/0/00000.jpg"]
    assert all(row["version"] and row["tag"] and row["size"] for row in lock)

    client.put_object(Bucket=bucket, Key="data/images/0/00000.jpg", Body=jpeg(77))
    client.delete_object(Bucket=bucket, Key="data/images/1/00001.jpg")
    pinned = ingest(config(uri, tmp_path / "again", endpoint_url=endpoint, pins=tmp_path / "v1"), read_json)
    assert pinned.version == first.version
    assert contents(tmp_path / "again") == contents(tmp_path / "v1")

    later = config(uri, tmp_path / "v2", endpoint_url=endpoint, previous=tmp_path / "v1", quarantine_limit=1)
    report = ingest(later, read_json)
    assert (report.changes.added, report.changes.changed, report.changes.removed) == ([], ["r0"], ["r1"])
    assert (report.reasons, report.reused) == ({"missing_media": 1}, 13)


def test_an_increment_downloads_only_what_is_new(client, plain, endpoint, source, tmp_path, monkeypatch):
    upload(client, plain, source)
    uri = f"s3://{plain}/data"
    ingest(config(uri, tmp_path / "v1", endpoint_url=endpoint), read_json)
    client.put_object(Bucket=plain, Key="data/images/0/00000.jpg", Body=jpeg(77))
    asked = []
    usual = s3.S3Source._object
    monkeypatch.setattr(
        s3.S3Source,
        "_object",
        lambda self, op, path, *a, **m: asked.append(path) or usual(self, op, path, *a, **m),
    )
    ingest(config(uri, tmp_path / "v2", endpoint_url=endpoint, previous=tmp_path / "v1"), read_json)
    assert sorted(asked) == ["chat.json", "images/0/00000.jpg"]


def test_listings_of_several_pages_are_read_whole(client, bucket, plain, endpoint, tmp_path, monkeypatch):
    for where in (bucket, plain):
        for n in range(23):
            client.put_object(Bucket=where, Key=f"data/images/{n:02d} ü.jpg", Body=b"x" * n)
        client.put_object(Bucket=where, Key="data/images/00 ü.jpg", Body=b"newer")  # two versions, where kept
    usual = s3.S3Source._call

    def paged(self, operation, **arguments):
        return usual(self, operation, **arguments | ({"MaxKeys": 5} if operation.startswith("list") else {}))

    monkeypatch.setattr(s3.S3Source, "_call", paged)
    for where in (bucket, plain):
        found = opened(where, endpoint, tmp_path, listed="images")
        assert [found.stamp(f"images/{n:02d} ü.jpg").size for n in range(23)] == [5, *range(1, 23)]
        assert found.stamp("images/99.jpg") == MediaFault("missing_media", "there is no such object")
        found.close()


def test_without_leave_to_list_versions_plain_listing_serves(client, bucket, endpoint, tmp_path, monkeypatch):
    client.put_object(Bucket=bucket, Key="data/a.bin", Body=b"1234")
    usual = s3.S3Source._call

    def refusing(self, operation, **arguments):
        if operation == "list_object_versions":
            raise s3.ClientError({"Error": {"Code": "AccessDenied"}}, operation)
        return usual(self, operation, **arguments)

    monkeypatch.setattr(s3.S3Source, "_call", refusing)
    found = opened(bucket, endpoint, tmp_path)
    assert (found.stamp("a.bin").size, found.stamp("a.bin").version) == (4, None)
    assert found.fetch("a.bin", found.stamp("a.bin")).read_bytes() == b"1234"
    found.close()


@pytest.mark.parametrize("size", [100, 400_000])
def test_what_changed_or_vanished_after_the_listing_is_named(client, plain, endpoint, tmp_path, monkeypatch, size):
    monkeypatch.setattr(s3, "RANGE", 100_000)
    monkeypatch.setattr(s3, "LARGE", 200_000)
    for name in ("a", "b"):
        client.put_object(Bucket=plain, Key=f"data/{name}.bin", Body=bytes(size))
    found = opened(plain, endpoint, tmp_path)
    client.put_object(Bucket=plain, Key="data/a.bin", Body=b"x" * size)
    client.delete_object(Bucket=plain, Key="data/b.bin")
    for name, what in (("a", "changed"), ("b", "vanished")):
        with pytest.raises(VocoError, match=f"s3://{plain}/data/{name}.bin: {what} after it was listed") as caught:
            found.fetch(f"{name}.bin", found.stamp(f"{name}.bin"))
        assert "\n" not in str(caught.value)
    found.close()


def test_a_change_during_an_ingest_leaves_nothing_under_the_name(client, plain, endpoint, source, tmp_path):
    upload(client, plain, source)

    def meddling(*arguments, **more):
        client.delete_object(Bucket=plain, Key="data/images/0/00000.jpg")
        yield from read_json(*arguments, **more)

    with pytest.raises(VocoError, match=r"images/0/00000.jpg: vanished"):
        ingest(config(f"s3://{plain}/data", tmp_path / "out", endpoint_url=endpoint), meddling)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / ".out.partial").exists()


def test_a_store_that_cannot_be_reached_or_refuses_is_one_line_without_secrets(endpoint, tmp_path, monkeypatch):
    with pytest.raises(VocoError, match="NoSuchBucket") as caught:
        opened("not-there", endpoint, tmp_path)
    assert "secret" not in str(caught.value)
    with pytest.raises(VocoError, match=r"failed 6 times, last: no connection") as caught:
        opened("not-there", "http://127.0.0.1:9", tmp_path)
    assert "\n" not in str(caught.value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(VocoError, match="credentials"):
        opened("not-there", endpoint, tmp_path)
    with pytest.raises(VocoError, match="no bucket"):
        open_source("s3:///x", tmp_path)


def test_records_are_named_by_the_source_and_not_by_the_download(client, plain, endpoint, source, tmp_path):
    upload(client, plain, source, prefix="deep/er")
    ingest(config(f"s3://{plain}/deep/er/", tmp_path / "out", endpoint_url=endpoint), read_json)
    assert {row["file"] for row in rows(tmp_path / "out")} == {"chat.json"}
    assert item(0)["id"] in {row["id"] for row in rows(tmp_path / "out")}
