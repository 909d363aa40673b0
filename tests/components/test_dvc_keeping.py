"""What is kept is what DVC itself would have kept: the same digests, and `dvc pull` finds it."""

import os

import pytest
import yaml

from components.dvc_keeping import is_kept, keep, kept_file, kept_sha256
from components.dvc_store import FolderStore
from components.stepping.digests import content_of
from tests.components.dvc_repos import dvc, new_repo
from tests.components.ingest_worlds import contents
from voco_model.errors import VocoError

ODD = ("a b", "ü-ß", "quote'\"s", "[x]*?", "-dash", "dot.dir", "日本", "tab\there", "back\\slash")


@pytest.fixture
def repo(tmp_path, monkeypatch):
    folder = new_repo(tmp_path, monkeypatch)
    dvc(folder, "remote", "add", "--default", "storage", str(tmp_path / "remote"))
    return folder


def fill(folder):
    """Nested folders, odd names, empty files, the same content twice, names that sort unlike their folders."""
    for name in (*ODD, "a/b/c/deep", "a-b/x", "a.b/x", "z/empty", "z/again", "Z"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if "empty" in name else b"same" if name.startswith("z/") else os.urandom(300))
    (folder / "hollow").mkdir()


def test_digests_are_dvcs_and_dvc_pulls_what_was_kept(repo, tmp_path):
    fill(repo / "folder")
    (repo / "file.bin").write_bytes(os.urandom(3_000_000))
    remote = str(tmp_path / "remote")
    for name in ("folder", "file.bin"):
        assert keep(repo / name, remote) == f"{remote}#{content_of(repo / name).md5}"
    dvc(repo, "add", "--quiet", "folder", "file.bin")
    for name in ("folder", "file.bin"):
        (out,) = yaml.safe_load((repo / f"{name}.dvc").read_text())["outs"]
        found = content_of(repo / name)
        assert (out["md5"], out["size"]) == (found.md5, found.bytes)
        assert out.get("nfiles", 1) == found.files
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    dvc(fresh, "init", "--no-scm", "--quiet")
    dvc(fresh, "remote", "add", "--default", "storage", remote)
    for name in ("folder", "file.bin"):
        (fresh / f"{name}.dvc").write_text((repo / f"{name}.dvc").read_text())
    dvc(fresh, "pull", "--quiet")
    assert contents(fresh / "folder") == contents(repo / "folder")
    assert (fresh / "file.bin").read_bytes() == (repo / "file.bin").read_bytes()


def test_what_is_kept_is_read_anew_to_the_last_byte(tmp_path):
    fill(tmp_path / "folder")
    wanted, remote = content_of(tmp_path / "folder"), tmp_path / "remote"
    kept = keep(tmp_path / "folder", str(remote))
    before = contents(remote)
    assert keep(tmp_path / "folder", str(remote)) == kept
    assert contents(remote) == before
    assert kept_sha256(kept) == wanted.sha256
    assert (
        kept_sha256(keep(tmp_path / "folder" / "Z", str(remote))) == content_of(tmp_path / "folder" / "Z").sha256
    )
    assert kept_file(kept, "a/b/c/deep") == (tmp_path / "folder/a/b/c/deep").read_bytes()
    assert kept_file(kept, "absent") is None
    listed = FolderStore(remote).place(wanted.md5)
    whole = listed.read_bytes()
    listed.write_bytes(whole.replace(b", ", b",", 1))  # the same to a reader, and not what was kept
    assert kept_sha256(kept) not in (wanted.sha256, None)
    listed.write_bytes(whole)
    one = FolderStore(remote).place(content_of(tmp_path / "folder/a/b/c/deep").md5)
    one.write_bytes(b"other")
    assert is_kept(kept)
    assert kept_sha256(kept) not in (wanted.sha256, None)
    one.unlink()
    assert kept_sha256(kept) is None
    listed.unlink()
    assert kept_sha256(kept) is None
    assert kept_file(kept, "Z") is None
    assert not is_kept(kept)


def test_a_name_with_a_line_break_cannot_pass_for_two_files(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "two/a").write_text("x")
    digest = content_of(tmp_path / "two/a").sha256
    (tmp_path / "two/b").write_text("x")
    (tmp_path / "one" / f"a\n{digest}  b").write_text("x")
    one, two = content_of(tmp_path / "one"), content_of(tmp_path / "two")
    assert (one.files, two.files) == (1, 2)
    assert one.sha256 != two.sha256


@pytest.fixture
def bucket(monkeypatch):
    """An S3 server in this process."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("ENDPOINT_URL", f"http://{host}:{port}"),
        ("ACCESS_KEY_ID", "a"),
        ("SECRET_ACCESS_KEY", "b"),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    boto3.client("s3").create_bucket(Bucket="kept")
    yield boto3.client("s3")
    server.stop()


def test_s3_holds_the_same_in_the_same_places(bucket, tmp_path):
    fill(tmp_path / "folder")
    folder = keep(tmp_path / "folder", str(tmp_path / "remote"))
    remote = "s3://kept/voco/dvc"
    kept = keep(tmp_path / "folder", remote)
    assert kept.rpartition("#")[2] == folder.rpartition("#")[2]
    there = {one["Key"] for one in bucket.list_objects_v2(Bucket="kept")["Contents"]}
    assert there == {f"voco/dvc/{name}" for name in contents(tmp_path / "remote")}
    assert keep(tmp_path / "folder", remote) == kept
    assert kept_sha256(kept) == content_of(tmp_path / "folder").sha256
    one = f"{remote}#{content_of(tmp_path / 'folder/Z').md5}"
    assert is_kept(kept)
    assert kept_file(kept, "Z") == (tmp_path / "folder/Z").read_bytes()
    bucket.put_object(Bucket="kept", Key=key_of(one), Body=b"other")
    assert kept_sha256(one) not in (None, content_of(tmp_path / "folder/Z").sha256)
    bucket.delete_object(Bucket="kept", Key=key_of(one))
    assert kept_sha256(one) is None
    assert kept_sha256(kept) is None
    with pytest.raises(VocoError, match="nothing can be kept or read there") as caught:
        keep(tmp_path / "folder", "s3://absent/voco")
    assert "\n" not in str(caught.value)


def key_of(kept):
    md5 = kept.rpartition("#")[2]
    return f"voco/dvc/files/md5/{md5[:2]}/{md5[2:]}"
