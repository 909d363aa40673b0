"""S3 and HTTP as sources: paginated, pinned, verified, resumed; what changed or vanished is named in one line."""

import hashlib
import json
import random
import threading

import boto3
import pytest
from moto.server import ThreadedMotoServer

from components.ingest import ingest
from components.sources import Stamp, open_source, s3, transfer
from components.sources.transfer import Transient, persistently
from tests.components.ingest_worlds import contents, http_server, item, jpeg, make_source, read_json
from tests.components.test_ingest import config, rows
from voco_model.data.media import MediaFault
from voco_model.errors import VocoError


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """Credentials for the store, and waits that tests need not sit through."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key-of-the-test",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(transfer, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(transfer, "LONGEST_WAIT", 0.01)


@pytest.fixture
def client(endpoint):
    made = boto3.client("s3", endpoint_url=endpoint)
    yield made
    made.close()


@pytest.fixture
def bucket(client, request):
    name = f"b{hashlib.md5(request.node.name.encode()).hexdigest()[:20]}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def plain(client, request):
    """A bucket that keeps no versions."""
    name = f"p{hashlib.md5(request.node.name.encode()).hexdigest()[:20]}"
    client.create_bucket(Bucket=name)
    return name


def upload(client, bucket, folder, prefix="data"):
    for path, data in contents(folder).items():
        client.put_object(Bucket=bucket, Key=f"{prefix}/{path}", Body=data)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    make_source(tmp_path / "source")
    return tmp_path / "source"


def opened(bucket, endpoint, cache, **more):
    return open_source(f"s3://{bucket}/data", cache, endpoint_url=endpoint, workers=4, **more)


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


def spoil(monkeypatch, damage, times):
    """The first transfers' bytes go through `damage`; gives the ranges that were asked for."""
    asked, left, lock = [], [times], threading.Lock()
    usual = s3.S3Source._object

    def spoiled(self, operation, path, stamp, **more):
        answer = usual(self, operation, path, stamp, **more)
        if operation == "get_object":
            with lock:
                asked.append(more.get("Range"))
                spoiling, left[0] = left[0] > 0, left[0] - 1
            if spoiling:
                answer["Body"] = damage(answer["Body"])
        return answer

    monkeypatch.setattr(s3.S3Source, "_object", spoiled)
    return asked


class Body:
    def __init__(self, data=None):
        self.data = data

    def read(self):
        if self.data is None:
            raise ConnectionResetError("gone")
        return self.data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def flipped(body):
    data = bytearray(body.read())
    data[len(data) // 2] ^= 1
    return Body(bytes(data))


DAMAGE = {"flipped": flipped, "short": lambda body: Body(body.read()[:-1]), "broken off": lambda body: Body()}


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


def test_http_gives_the_shards_of_the_folder(source, tmp_path):
    ingest(config(source, tmp_path / "local"), read_json)
    with http_server(source) as server:
        uri = f"http://127.0.0.1:{server.server_port}"
        ingest(config(uri, tmp_path / "v1"), read_json)
        assert contents(tmp_path / "v1/shards") == contents(tmp_path / "local/shards")
        server.seen.clear()
        (source / "images/0/00000.jpg").unlink()
        report = ingest(config(uri, tmp_path / "v2", previous=tmp_path / "v1", quarantine_limit=1), read_json)
    assert report.changes.removed == ["r0"]
    assert [path for method, path, _ in server.seen if method == "GET"] == ["/SHA256SUMS", "/chat.json"]
    with pytest.raises(VocoError, match="only S3 keeps versions"):
        ingest(config(uri, tmp_path / "v3", pins=tmp_path / "v1"), read_json)


def test_http_goes_on_where_a_transfer_broke_off(source, tmp_path):
    data = random.Random(3).randbytes(50_000)
    (source / "a b.bin").write_bytes(data)
    with http_server(source) as server:
        server.cut = 20_000
        found = open_source(f"http://127.0.0.1:{server.server_port}", tmp_path / "cache")
        assert found.fetch("a b.bin", found.stamp("a b.bin")).read_bytes() == data
        found.close()
    assert [wanted for method, path, wanted in server.seen if method == "GET" and "bin" in path] == [
        None,
        "bytes=20000-",
        "bytes=40000-",
    ]


def test_http_sums_are_held(source, tmp_path):
    (source / "good.bin").write_bytes(b"good")
    (source / "bad.bin").write_bytes(b"bad")
    good = hashlib.sha256(b"good").hexdigest()
    (source / "SHA256SUMS").write_text(f"{good}  good.bin\n{good} *./bad.bin\nnonsense\n")
    with http_server(source) as server:
        found = open_source(f"http://127.0.0.1:{server.server_port}/", tmp_path / "cache")
        assert found.fetch("good.bin", found.stamp("good.bin")).read_bytes() == b"good"
        with pytest.raises(
            VocoError, match=r"bad.bin: failed 6 times, last: the bytes that arrived have another sha256"
        ):
            found.fetch("bad.bin", found.stamp("bad.bin"))
        found.close()


def test_http_faults_are_named(source, tmp_path):
    def answering(status, **headers):
        def hook(request):
            if request.path != "/a.bin":
                return False
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return True

        return hook

    (source / "a.bin").write_bytes(b"1234")
    with http_server(source) as server:
        found = open_source(f"http://127.0.0.1:{server.server_port}", tmp_path / "cache")
        stamp = found.stamp("a.bin")
        assert found.stamp("absent.bin").code == "missing_media"
        assert found.stamp("../a.bin").code == "path_escape"
        for status, headers, message in (
            (302, {"Location": "http://127.0.0.1:9/"}, "answers 302; give the address that it leads to"),
            (403, {}, "answers 403; check the address"),
            (404, {}, "vanished"),
            (503, {}, "failed 6 times, last: the server answers 503"),
            (200, {"ETag": '"other"'}, "changed after it was asked for"),
        ):
            server.hook = answering(status, **headers)
            with pytest.raises(VocoError, match=message) as caught:
                found.fetch("a.bin", stamp)
            assert "\n" not in str(caught.value)
        server.hook = answering(501)
        assert found.stamp("a.bin") == Stamp(None, "")
        found.close()
    with pytest.raises(VocoError, match="takes no password") as caught:
        open_source("http://me:hunter2@127.0.0.1/x", tmp_path)
    assert "hunter2" not in str(caught.value)


def test_http_files_beyond_the_limit_are_set_aside(source, tmp_path, monkeypatch):
    from components.sources import http

    monkeypatch.setattr(http, "MAX_BYTES", 1000)
    (source / "a.bin").write_bytes(bytes(1001))
    with http_server(source) as server:
        found = open_source(f"http://127.0.0.1:{server.server_port}", tmp_path / "cache")
        assert found.fetch("a.bin", found.stamp("a.bin")).code == "too_large"
        assert found.fetch("a.bin", Stamp(None, "")).code == "too_large"
        found.close()


def test_records_are_named_by_the_source_and_not_by_the_download(client, plain, endpoint, source, tmp_path):
    upload(client, plain, source, prefix="deep/er")
    ingest(config(f"s3://{plain}/deep/er/", tmp_path / "out", endpoint_url=endpoint), read_json)
    assert {row["file"] for row in rows(tmp_path / "out")} == {"chat.json"}
    assert item(0)["id"] in {row["id"] for row in rows(tmp_path / "out")}
