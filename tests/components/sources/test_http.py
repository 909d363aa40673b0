"""HTTP as a source: ranges, sums, faults and limits."""

import hashlib
import random

import pytest

from components.ingest import ingest
from components.sources import Stamp, open_source
from tests.components.ingest_worlds import contents, http_server, read_json
from tests.components.test_ingest import config
from voco_model.errors import VocoError


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
